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

void sparsec_decode_csr_s8(const int32_t rows,
                           const int32_t columns,
                           const int8_t *values,
                           const void *coordinates,
                           const void *positions,
                           uint8_t *entries,
                           uint16_t *counts)
{
    const uint8_t *const value = (const uint8_t *)values;
    const bool narrow = columns <= MOST_NARROW_COLUMNS;
    const bool short_positions = (int64_t)rows * columns <= MOST_NARROW_POSITIONS;
    uint32_t first = 0;

    for (int32_t row = 0; row < rows; row++)
    {
        const uint32_t end =
            short_positions ? ((const uint16_t *)positions)[row + 1] : ((const uint32_t *)positions)[row + 1];
        const uint8_t *const start = entries;
        entries = narrow ? decode_narrow(entries, value + first, (const uint8_t *)coordinates + first, value + end)
                         : decode_wide(entries, value + first, (const uint16_t *)coordinates + first, value + end);
        counts[row] = sparsec_entries_between(start, entries);
        first = end;
    }
}
