/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

void sparsec_lookup_s8(const int32_t size, const int8_t *input, const int8_t *table, int8_t *output)
{
    const int8_t *const zero = table + 128;
    for (int32_t i = 0; i < size; i++)
    {
        output[i] = zero[input[i]];
    }
}
