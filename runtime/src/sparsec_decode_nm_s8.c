/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_decode.h"

void sparsec_decode_nm_s8(const int32_t n,
                          const int32_t m,
                          int32_t rows,
                          const int32_t columns,
                          const int8_t *values,
                          const uint8_t *offsets,
                          uint8_t *entries,
                          uint16_t *counts)
{
    const uint8_t *value = (const uint8_t *)values;
    const uint32_t width = 32u - CLZ((uint32_t)m - 1);
    const uint32_t mask = (1u << width) - 1;
    const int32_t rest = columns % m;
    const int32_t row_entries = columns / m * n + (rest < n ? rest : n);

    for (; rows > 0; rows--)
    {
        const uint8_t *const start = entries;
        const uint8_t *const end = value + row_entries;
        /* From the last weight, or the start of the row, to the start of the group. */
        int32_t gap = 0;
        int32_t left = n;
        uint32_t bits = 0;
        uint32_t ready = 0;
        while (value != end)
        {
            if (ready < width)
            {
                bits |= (uint32_t)*offsets++ << ready;
                ready += 8;
            }
            const int32_t offset = (int32_t)(bits & mask);
            bits >>= width;
            ready -= width;
            const uint32_t weight = *value++;
            if (weight != 0)
            {
                entries = sparsec_put_far(entries, (uint32_t)(gap + offset), weight);
                gap = -offset;
            }
            if (--left == 0)
            {
                left = n;
                gap += m;
            }
        }
        *counts++ = sparsec_entries_between(start, entries);
    }
}
