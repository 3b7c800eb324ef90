/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_arch.h"

void sparsec_requantize_s8(const int32_t input_offset,
                           const int32_t output_offset,
                           const cmsis_nn_activation *activation,
                           const cmsis_nn_per_tensor_quant_params *quant_params,
                           const int32_t size,
                           const int8_t *input,
                           int8_t *output)
{
    for (int32_t i = 0; i < size; i++)
    {
        output[i] = sparsec_output(input[i] + input_offset,
                                   quant_params->multiplier,
                                   quant_params->shift,
                                   output_offset,
                                   activation);
    }
}
