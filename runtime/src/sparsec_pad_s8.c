/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

#include <string.h>

void sparsec_pad_s8(const int8_t pad_value,
                    const cmsis_nn_dims *pad_before,
                    const cmsis_nn_dims *input_dims,
                    const int8_t *input,
                    const cmsis_nn_dims *output_dims,
                    int8_t *output)
{
    const int32_t row_bytes = output_dims->w * output_dims->c;
    for (int32_t n = 0; n < output_dims->n; n++)
    {
        const int32_t input_n = n - pad_before->n;
        for (int32_t y = 0; y < output_dims->h; y++)
        {
            const int32_t input_y = y - pad_before->h;
            memset(output, pad_value, (size_t)row_bytes);
            if (input_n >= 0 && input_n < input_dims->n && input_y >= 0 && input_y < input_dims->h)
            {
                int8_t *pixel = output + pad_before->w * output_dims->c + pad_before->c;
                for (int32_t x = 0; x < input_dims->w; x++)
                {
                    memcpy(pixel, input, (size_t)input_dims->c);
                    input += input_dims->c;
                    pixel += output_dims->c;
                }
            }
            output += row_bytes;
        }
    }
}
