/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_arch.h"

void sparsec_add_s8(const int32_t left_shift,
                    const int32_t input_1_offset,
                    const cmsis_nn_per_tensor_quant_params *input_1_params,
                    const int32_t input_2_offset,
                    const cmsis_nn_per_tensor_quant_params *input_2_params,
                    const int32_t input_2_sign,
                    const int32_t output_offset,
                    const cmsis_nn_activation *activation,
                    const cmsis_nn_per_tensor_quant_params *output_params,
                    const int32_t input_1_size,
                    const int8_t *input_1,
                    const int32_t input_2_size,
                    const int8_t *input_2,
                    const int32_t size,
                    int8_t *output)
{
    int32_t i_1 = 0;
    int32_t i_2 = 0;
    for (int32_t i = 0; i < size; i++)
    {
        const int32_t term_1 = sparsec_requantize((input_1[i_1] + input_1_offset) * (1 << left_shift),
                                                  input_1_params->multiplier,
                                                  input_1_params->shift);
        const int32_t term_2 = sparsec_requantize((input_2[i_2] + input_2_offset) * (1 << left_shift),
                                                  input_2_params->multiplier,
                                                  input_2_params->shift);
        output[i] = sparsec_output(term_1 + input_2_sign * term_2,
                                   output_params->multiplier,
                                   output_params->shift,
                                   output_offset,
                                   activation);
        i_1 = i_1 + 1 == input_1_size ? 0 : i_1 + 1;
        i_2 = i_2 + 1 == input_2_size ? 0 : i_2 + 1;
    }
}
