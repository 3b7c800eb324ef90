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
} numbers_t;

static inline int32_t scaled(const int8_t value, const int32_t left_shift, const term_t *term)
{
    return sparsec_requantize((value + term->offset) * (1 << left_shift), term->scale.multiplier, term->scale.shift);
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
    for (int32_t i = 0; i < size; i++)
    {
        const int32_t term_1 = scaled(*row_1, n.left_shift, &n.term_1);
        const int32_t term_2 = scaled(*row_2, n.left_shift, &n.term_2);
        output[i] = sparsec_output(term_1 + n.input_2_sign * term_2,
                                   n.scale.multiplier,
                                   n.scale.shift,
                                   n.output_offset,
                                   &n.activation);
        row_1 += step_1;
        row_2 += step_2;
    }
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
                               *activation};
    sparsec_each_row_of_two(add_row, &numbers, input_1_dims, input_1, input_2_dims, input_2, output);
}
