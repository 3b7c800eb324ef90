/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_decode.h"

#define MOST_NARROW_COLUMNS 256
#define MOST_NARROW_POSITIONS 65535

static uint8_t *decode_narrow(uint8_t *entries, const uint8_t *value, const uint8_t *column, const uint8_t *end)
{
    uint32_t last = 0;
#if defined(__GNUC__)
    #pragma GCC unroll 4
#endif
    while (value != end)
    {
        const uint32_t next = *column++;
        entries = sparsec_put(entries, next - last, *value++);
        last = next;
    }
    return entries;
}

static uint8_t *decode_wide(uint8_t *entries, const uint8_t *value, const uint16_t *column, const uint8_t *end)
{
    uint32_t last = 0;
#if defined(__GNUC__)
    #pragma GCC unroll 4
#endif
    while (value != end)
    {
        const uint32_t next = *column++;
        entries = sparsec_put_far(entries, next - last, *value++);
        last = next;
    }
    return entries;
}

static inline uint32_t position(const void *positions, const bool is_short, const int32_t row)
{
    return is_short ? ((const uint16_t *)positions)[row] : ((const uint32_t *)positions)[row];
}

void sparsec_decode_csr_s8(const sparsec_encoded *weights,
                           sparsec_place *place,
                           int32_t rows,
                           uint8_t *entries,
                           uint16_t *counts)
{
    sparsec_place begin = {0, {0, 0, 0}};
    place = place != NULL ? place : &begin;
    const uint8_t *const value = (const uint8_t *)weights->arrays[0];
    const void *const coordinates = weights->arrays[1];
    const void *const positions = weights->arrays[2];
    const bool narrow = weights->columns <= MOST_NARROW_COLUMNS;
    const bool is_short = (int64_t)weights->rows * weights->columns <= MOST_NARROW_POSITIONS;
    uint32_t first = position(positions, is_short, place->row);

    for (; rows > 0; rows--)
    {
        const uint32_t end = position(positions, is_short, ++place->row);
        const uint8_t *const start = entries;
        entries = narrow ? decode_narrow(entries, value + first, (const uint8_t *)coordinates + first, value + end)
                         : decode_wide(entries, value + first, (const uint16_t *)coordinates + first, value + end);
        *counts++ = sparsec_entries_between(start, entries);
        first = end;
    }
}
