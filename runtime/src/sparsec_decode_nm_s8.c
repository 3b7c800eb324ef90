/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_decode.h"

/* The numbers of `width` bits that one row has, one after the other. */
typedef struct
{
    const uint8_t *bytes;
    uint32_t width, mask;
#if SPARSEC_DUAL_ISSUE
    uint32_t bit; /* The first of the next number */
#else
    uint32_t bits, ready; /* Read already, and how many */
#endif
} offsets_reader;

/* The next number. Without a branch on a core that predicts branches: one that alternates is what it gets wrong. */
static inline int32_t next_offset(offsets_reader *r)
{
#if SPARSEC_DUAL_ISSUE
    const uint32_t low = r->bytes[r->bit >> 3];
    const uint32_t high = r->bytes[(r->bit + r->width - 1) >> 3];
    const uint32_t offset = ((low | high << 8) >> (r->bit & 7u)) & r->mask;
    r->bit += r->width;
    return (int32_t)offset;
#else
    if (r->ready < r->width)
    {
        r->bits |= (uint32_t)*r->bytes++ << r->ready;
        r->ready += 8;
    }
    const uint32_t offset = r->bits & r->mask;
    r->bits >>= r->width;
    r->ready -= r->width;
    return (int32_t)offset;
#endif
}

/* The first byte behind the numbers. */
static inline const uint8_t *end_of_offsets(const offsets_reader *r)
{
#if SPARSEC_DUAL_ISSUE
    return r->bytes + ((r->bit + 7) >> 3);
#else
    return r->bytes;
#endif
}

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
        offsets_reader reader = {.bytes = offsets, .width = width, .mask = (1u << width) - 1};
        while (value != end)
        {
            const int32_t offset = next_offset(&reader);
            const uint32_t weight = *value++;
            if (weight != 0)
            {
                entries = sparsec_put_far(entries, (uint32_t)(gap + offset), weight);
                gap = -offset;
            }
            left--;
#if SPARSEC_DUAL_ISSUE
            const int32_t ended = (left - 1) >> 31; /* All bits, or none; without a branch as above */
            left += n & ended;
            gap += m & ended;
#else
            if (left == 0)
            {
                left = n;
                gap += m;
            }
#endif
        }
        offsets = end_of_offsets(&reader);
        *counts++ = sparsec_entries_between(start, entries);
    }
}
