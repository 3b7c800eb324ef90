/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_decode.h"

void sparsec_decode_nm_s8(const sparsec_encoded *weights,
                          sparsec_place *place,
                          int32_t rows,
                          uint8_t *entries,
                          uint16_t *counts)
{
    sparsec_place begin = {0, {0, 0, 0}};
    place = place != NULL ? place : &begin;
    const int32_t n = weights->numbers[0];
    const int32_t m = weights->numbers[1];
    const uint32_t width = 32u - CLZ((uint32_t)m - 1);
    const uint32_t mask = (1u << width) - 1;
    const int32_t rest = weights->columns % m;
    const int32_t row_entries = weights->columns / m * n + (rest < n ? rest : n);
    const int32_t row_bytes = (row_entries * (int32_t)width + 7) >> 3;
    const uint8_t *value = (const uint8_t *)weights->arrays[0] + place->row * row_entries;
    const uint8_t *offsets = (const uint8_t *)weights->arrays[1] + place->row * row_bytes;

    place->row += rows;
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
