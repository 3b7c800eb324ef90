/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_arch.h"
#include "sparsec_broadcast.h"

typedef struct
{
    int32_t input_offset;
    int32_t alpha_offset;
    sparsec_scale scale;
    sparsec_scale alpha_scale;
    int32_t output_offset;
    cmsis_nn_activation activation;
} numbers_t;

static SPARSEC_NOINLINE void prelu_row(const void *numbers,
                                       const int8_t *input,
                                       const int32_t step,
                                       const int8_t *alpha,
                                       const int32_t alpha_step,
                                       const int32_t size,
                                       int8_t *output)
{
    /* A copy, as bytes that are written may lie in what a pointer shows. */
    const numbers_t n = *(const numbers_t *)numbers;
    for (int32_t i = 0; i < size; i++)
    {
        const int32_t value = *input + n.input_offset;
        const int32_t product = value * (*alpha + n.alpha_offset);
        const int32_t scaled =
            value < 0 ? sparsec_requantize_small(product, &n.alpha_scale) : sparsec_requantize_small(value, &n.scale);
        output[i] = sparsec_clamp(scaled + n.output_offset, &n.activation);
        input += step;
        alpha += alpha_step;
    }
}

void sparsec_prelu_s8(const int32_t input_offset,
                      const int32_t alpha_offset,
                      const int32_t output_offset,
                      const cmsis_nn_activation *activation,
                      const cmsis_nn_per_tensor_quant_params *quant_params,
                      const cmsis_nn_per_tensor_quant_params *alpha_quant_params,
                      const cmsis_nn_dims *input_dims,
                      const int8_t *input,
                      const cmsis_nn_dims *alpha_dims,
                      const int8_t *alpha,
                      int8_t *output)
{
    const numbers_t numbers = {input_offset,
                               alpha_offset,
                               sparsec_scale_of(quant_params->multiplier, quant_params->shift),
                               sparsec_scale_of(alpha_quant_params->multiplier, alpha_quant_params->shift),
                               output_offset,
                               *activation};
    sparsec_each_row_of_two(prelu_row, &numbers, input_dims, input, alpha_dims, alpha, output);
}
