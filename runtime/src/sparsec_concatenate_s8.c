/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

#include <string.h>

void sparsec_concatenate_s8(const int32_t blocks,
                            const int32_t block_bytes,
                            const int32_t output_stride,
                            const int32_t output_offset,
                            const int8_t *input,
                            int8_t *output)
{
    output += output_offset;
    for (int32_t i = 0; i < blocks; i++)
    {
        memcpy(output + i * output_stride, input + i * block_bytes, (size_t)block_bytes);
    }
}
