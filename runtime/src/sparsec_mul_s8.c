/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_arch.h"
#include "sparsec_broadcast.h"

typedef struct
{
    int32_t input_1_offset;
    int32_t input_2_offset;
    sparsec_scale scale;
    int32_t output_offset;
    cmsis_nn_activation activation;
} numbers_t;

#if defined(ARM_MATH_MVEI)

static SPARSEC_NOINLINE void multiply_row(const void *numbers,
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
        const int32x4_t factor_1 = vaddq_n_s32(sparsec_four_or_one(row_1, step_1, i, exist), n.input_1_offset);
        const int32x4_t factor_2 = vaddq_n_s32(sparsec_four_or_one(row_2, step_2, i, exist), n.input_2_offset);
        const int32x4_t product = vmulq_s32(factor_1, factor_2);
        const int32x4_t scaled = arm_requantize_mve(product, n.scale.multiplier, n.scale.left - n.scale.right);
        sparsec_store_four(output + i, vaddq_n_s32(scaled, n.output_offset), &n.activation, exist);
    }
}

#else

/* Products that are kept until all of them become bytes, which takes fewer instructions for each, and rows that are long
 * enough for it. */
    #define BLOCK 16
    #define LONG_ROW 8

static SPARSEC_NOINLINE void multiply_long_row(const void *numbers,
                                               const int8_t *row_1,
                                               const int32_t step_1,
                                               const int8_t *row_2,
                                               const int32_t step_2,
                                               int32_t size,
                                               int8_t *output)
{
    const numbers_t n = *(const numbers_t *)numbers;
    while (size > 0)
    {
        const int32_t count = size < BLOCK ? size : BLOCK;
        int32_t products[BLOCK];
        for (int32_t i = 0; i < count; i++)
        {
            products[i] = (*row_1 + n.input_1_offset) * (*row_2 + n.input_2_offset);
            row_1 += step_1;
            row_2 += step_2;
        }
        sparsec_store_saturated(products,
                                count,
                                n.scale.multiplier,
                                n.scale.left - n.scale.right,
                                n.output_offset,
                                output,
                                1);
        output += count;
        size -= count;
    }
}

static SPARSEC_NOINLINE void multiply_row(const void *numbers,
                                          const int8_t *row_1,
                                          const int32_t step_1,
                                          const int8_t *row_2,
                                          const int32_t step_2,
                                          const int32_t size,
                                          int8_t *output)
{
    /* A copy, as bytes that are written may lie in what a pointer shows. */
    const numbers_t n = *(const numbers_t *)numbers;
    for (int32_t i = 0; i < size; i++)
    {
        const int32_t product = (*row_1 + n.input_1_offset) * (*row_2 + n.input_2_offset);
        output[i] = sparsec_clamp(sparsec_requantize_small(product, &n.scale) + n.output_offset, &n.activation);
        row_1 += step_1;
        row_2 += step_2;
    }
}

#endif

void sparsec_mul_s8(const int32_t input_1_offset,
                    const int32_t input_2_offset,
                    const int32_t output_offset,
                    const cmsis_nn_activation *activation,
                    const cmsis_nn_per_tensor_quant_params *quant_params,
                    const cmsis_nn_dims *input_1_dims,
                    const int8_t *input_1,
                    const cmsis_nn_dims *input_2_dims,
                    const int8_t *input_2,
                    int8_t *output)
{
    const numbers_t numbers = {input_1_offset,
                               input_2_offset,
                               sparsec_scale_of(quant_params->multiplier, quant_params->shift),
                               output_offset,
                               *activation};
    sparsec_row_function function = multiply_row;
#if !defined(ARM_MATH_MVEI)
    if (sparsec_is_saturated(quant_params->shift, activation) &&
        sparsec_longer(input_1_dims->c, input_2_dims->c) >= LONG_ROW)
    {
        function = multiply_long_row;
    }
#endif
    sparsec_each_row_of_two(function, &numbers, input_1_dims, input_1, input_2_dims, input_2, output);
}
