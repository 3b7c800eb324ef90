/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

#include <string.h>

void sparsec_slice_s8(const int32_t input_offset,
                      const cmsis_nn_dims *input_strides,
                      const int8_t *input,
                      const cmsis_nn_dims *output_dims,
                      int8_t *output)
{
    input += input_offset;
    for (int32_t n = 0; n < output_dims->n; n++)
    {
        for (int32_t h = 0; h < output_dims->h; h++)
        {
            for (int32_t w = 0; w < output_dims->w; w++)
            {
                const int8_t *const source = input + n * input_strides->n + h * input_strides->h + w * input_strides->w;
                if (input_strides->c == 1)
                {
                    memcpy(output, source, (size_t)output_dims->c);
                }
                else
                {
                    for (int32_t c = 0; c < output_dims->c; c++)
                    {
                        output[c] = source[c * input_strides->c];
                    }
                }
                output += output_dims->c;
            }
        }
    }
}
