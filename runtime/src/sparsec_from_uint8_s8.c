/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

#include <string.h>

void sparsec_from_uint8_s8(const int32_t size, const uint8_t *input, int8_t *output)
{
    int32_t i = 0;
    for (; size - i >= 4; i += 4)
    {
        uint32_t four;
        memcpy(&four, input + i, 4);
        four ^= 0x80808080U;
        memcpy(output + i, &four, 4);
    }
    for (; i < size; i++)
    {
        output[i] = (int8_t)(input[i] ^ 0x80);
    }
}
