/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_copy.h"

void sparsec_resize_nearest_s8(const cmsis_nn_dims *input_dims,
                               const int8_t *input,
                               const uint16_t *rows,
                               const uint16_t *columns,
                               const cmsis_nn_dims *output_dims,
                               int8_t *output)
{
    const int32_t channels = output_dims->c;
    const int32_t row_bytes = output_dims->w * channels;
    for (int32_t y = 0; y < output_dims->h; y++)
    {
        if (y > 0 && rows[y] == rows[y - 1])
        {
            memcpy(output, output - row_bytes, (size_t)row_bytes);
            output += row_bytes;
            continue;
        }
        const int8_t *const row = input + rows[y] * input_dims->w * channels;
        output = sparsec_copy_picked(row, channels, columns, output_dims->w, output);
    }
}
