/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_arch.h"

void sparsec_prelu_s8(const int32_t input_offset,
                      const int32_t alpha_offset,
                      const int32_t output_offset,
                      const cmsis_nn_activation *activation,
                      const cmsis_nn_per_tensor_quant_params *quant_params,
                      const cmsis_nn_per_tensor_quant_params *alpha_quant_params,
                      const int32_t alpha_size,
                      const int8_t *alpha,
                      const int32_t size,
                      const int8_t *input,
                      int8_t *output)
{
    int32_t i_alpha = 0;
    for (int32_t i = 0; i < size; i++)
    {
        const int32_t value = input[i] + input_offset;
        const bool negative = value < 0;
        const cmsis_nn_per_tensor_quant_params *const params = negative ? alpha_quant_params : quant_params;
        const int32_t scaled = negative ? value * (alpha[i_alpha] + alpha_offset) : value;
        output[i] = sparsec_output(scaled, params->multiplier, params->shift, output_offset, activation);
        i_alpha = i_alpha + 1 == alpha_size ? 0 : i_alpha + 1;
    }
}
