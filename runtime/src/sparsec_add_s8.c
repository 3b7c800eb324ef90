/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_arch.h"
#include "sparsec_broadcast.h"

typedef struct
{
    int32_t offset;
    cmsis_nn_per_tensor_quant_params scale;
} term_t;

typedef struct
{
    int32_t left_shift;
    term_t term_1;
    term_t term_2;
    int32_t input_2_sign;
    cmsis_nn_per_tensor_quant_params scale;
    int32_t output_offset;
    cmsis_nn_activation activation;
    bool saturates;
} numbers_t;

#if defined(ARM_MATH_MVEI)

static inline int32x4_t scaled_four(const int32x4_t values, const int32_t left_shift, const term_t *term)
{
    const int32x4_t shifted = vshlq_r_s32(vaddq_n_s32(values, term->offset), left_shift);
    return arm_requantize_mve(shifted, term->scale.multiplier, term->scale.shift);
}

static SPARSEC_NOINLINE void add_row(const void *numbers,
                                     const int8_t *row_1,
                                     const int32_t step_1,
                                     const int8_t *row_2,
                                     const int32_t step_2,
                                     const int32_t size,
                                     int8_t *output)
{
    const numbers_t n = *(const numbers_t *)numbers;
    for (int32_t i = 0; i < size; i += 4)
    {
        const mve_pred16_t exist = vctp32q((uint32_t)(size - i));
        const int32x4_t value_1 = sparsec_four_or_one(row_1, step_1, i, exist);
        const int32x4_t value_2 = sparsec_four_or_one(row_2, step_2, i, exist);
        const int32x4_t term_1 = scaled_four(value_1, n.left_shift, &n.term_1);
        const int32x4_t term_2 = scaled_four(value_2, n.left_shift, &n.term_2);
        const int32x4_t sum = vmlaq_n_s32(term_1, term_2, n.input_2_sign);
        const int32x4_t scaled = arm_requantize_mve(sum, n.scale.multiplier, n.scale.shift);
        sparsec_store_four(output + i, vaddq_n_s32(scaled, n.output_offset), &n.activation, exist);
    }
}

#else

/* Sums that are kept until all of them become bytes. */
    #define BLOCK 16

static inline int32_t scaled(const int8_t value, const int32_t left_shift, const term_t *term)
{
    return sparsec_requantize((value + term->offset) * (1 << left_shift), term->scale.multiplier, term->scale.shift);
}

/* Adds a term to each of `count` sums; one that is the same for all is scaled once. */
static SPARSEC_NOINLINE void add_terms(const numbers_t *n,
                                       const term_t *term,
                                       const int32_t sign,
                                       const int8_t *row,
                                       const int32_t step,
                                       const int32_t count,
                                       int32_t *sums)
{
    const term_t own = *term;
    const int32_t left_shift = n->left_shift;
    if (step == 0)
    {
        const int32_t value = sign * scaled(*row, left_shift, &own);
        for (int32_t i = 0; i < count; i++)
        {
            sums[i] += value;
        }
        return;
    }
    for (int32_t i = 0; i < count; i++)
    {
        sums[i] += sign * scaled(row[i], left_shift, &own);
    }
}

static SPARSEC_NOINLINE void add_row(const void *numbers,
                                     const int8_t *row_1,
                                     const int32_t step_1,
                                     const int8_t *row_2,
                                     const int32_t step_2,
                                     const int32_t size,
                                     int8_t *output)
{
    /* A copy, as bytes that are written may lie in what a pointer shows. */
    const numbers_t n = *(const numbers_t *)numbers;
    for (int32_t i = 0; i < size; i += BLOCK)
    {
        const int32_t count = size - i < BLOCK ? size - i : BLOCK;
        int32_t sums[BLOCK] = {0};
        add_terms(&n, &n.term_1, 1, row_1 + i * step_1, step_1, count, sums);
        add_terms(&n, &n.term_2, n.input_2_sign, row_2 + i * step_2, step_2, count, sums);
        if (n.saturates)
        {
            sparsec_store_saturated(sums, count, n.scale.multiplier, n.scale.shift, n.output_offset, output + i, 1);
        }
        else
        {
            for (int32_t k = 0; k < count; k++)
            {
                output[i + k] =
                    sparsec_output(sums[k], n.scale.multiplier, n.scale.shift, n.output_offset, &n.activation);
            }
        }
    }
}

#endif

/* Whether sparsec_store_saturated serves: no sum leaves +-2^30. */
static bool sums_saturate(const int32_t left_shift,
                          const cmsis_nn_per_tensor_quant_params *input_1_params,
                          const cmsis_nn_per_tensor_quant_params *input_2_params,
                          const cmsis_nn_activation *activation,
                          const cmsis_nn_per_tensor_quant_params *output_params)
{
    const bool small = left_shift <= 20 && input_1_params->shift <= 0 && input_2_params->shift <= 0;
    return small && sparsec_is_saturated(output_params->shift, activation);
}

void sparsec_add_s8(const int32_t left_shift,
                    const int32_t input_1_offset,
                    const cmsis_nn_per_tensor_quant_params *input_1_params,
                    const int32_t input_2_offset,
                    const cmsis_nn_per_tensor_quant_params *input_2_params,
                    const int32_t input_2_sign,
                    const int32_t output_offset,
                    const cmsis_nn_activation *activation,
                    const cmsis_nn_per_tensor_quant_params *output_params,
                    const cmsis_nn_dims *input_1_dims,
                    const int8_t *input_1,
                    const cmsis_nn_dims *input_2_dims,
                    const int8_t *input_2,
                    int8_t *output)
{
    const numbers_t numbers = {left_shift,
                               {input_1_offset, *input_1_params},
                               {input_2_offset, *input_2_params},
                               input_2_sign,
                               *output_params,
                               output_offset,
                               *activation,
                               sums_saturate(left_shift, input_1_params, input_2_params, activation, output_params)};
    sparsec_each_row_of_two(add_row, &numbers, input_1_dims, input_1, input_2_dims, input_2, output);
}
