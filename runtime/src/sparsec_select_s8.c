/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_broadcast.h"

void sparsec_select_s8(const cmsis_nn_dims *mask_dims,
                       const int8_t *mask,
                       const cmsis_nn_dims *input_1_dims,
                       const int8_t *input_1,
                       const cmsis_nn_dims *input_2_dims,
                       const int8_t *input_2,
                       const cmsis_nn_dims *output_dims,
                       int8_t *output)
{
    const int32_t step = mask_dims->c > 1;
    const int32_t step_1 = input_1_dims->c > 1;
    const int32_t step_2 = input_2_dims->c > 1;
    for (int32_t n = 0; n < output_dims->n; n++)
    {
        for (int32_t h = 0; h < output_dims->h; h++)
        {
            for (int32_t w = 0; w < output_dims->w; w++)
            {
                const int8_t *row = sparsec_row(mask_dims, mask, n, h, w);
                const int8_t *row_1 = sparsec_row(input_1_dims, input_1, n, h, w);
                const int8_t *row_2 = sparsec_row(input_2_dims, input_2, n, h, w);
                for (int32_t c = 0; c < output_dims->c; c++)
                {
                    *output++ = *row != 0 ? *row_1 : *row_2;
                    row += step;
                    row_1 += step_1;
                    row_2 += step_2;
                }
            }
        }
    }
}
