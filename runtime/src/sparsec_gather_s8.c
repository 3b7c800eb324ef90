/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_copy.h"

void sparsec_gather_s8(const int32_t blocks,
                       const int32_t block_bytes,
                       const int32_t run_bytes,
                       const int8_t *input,
                       const uint16_t *indices,
                       const int32_t count,
                       int8_t *output)
{
    for (int32_t block = 0; block < blocks; block++)
    {
        output = sparsec_copy_picked(input, run_bytes, indices, count, output);
        input += block_bytes;
    }
}
