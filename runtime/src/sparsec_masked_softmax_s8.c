/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_attention.h"

void sparsec_masked_softmax_s8(const cmsis_nn_dims *dims,
                               const sparsec_matrices *mask_matrices,
                               const int8_t *mask,
                               const int32_t *exponentials,
                               const int8_t *input,
                               int8_t *output)
{
    for (int32_t n = 0; n < dims->n; n++)
    {
        for (int32_t h = 0; h < dims->h; h++)
        {
            const int8_t *seen = mask + n * mask_matrices->outer + h * mask_matrices->head;
            for (int32_t w = 0; w < dims->w; w++)
            {
                sparsec_softmax_of_seen(exponentials, seen, dims->c, input, output);
                seen += mask_matrices->row;
                input += dims->c;
                output += dims->c;
            }
        }
    }
}
