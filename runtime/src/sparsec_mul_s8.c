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
    sparsec_each_row_of_two(multiply_row, &numbers, input_1_dims, input_1, input_2_dims, input_2, output);
}
