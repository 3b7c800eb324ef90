/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A block row is read once for each of its rows.
 */

#include "sparsec_decode.h"

#define MOST_NARROW_INDICES 256

/* The row of `count` blocks whose weights in the first block start at `weights`. */
static uint8_t *decode_blocks(uint8_t *entries,
                              const int32_t block_columns,
                              const int32_t block_size,
                              const uint8_t *weights,
                              const uint8_t *narrow,
                              const uint16_t *wide,
                              const int32_t count)
{
    uint32_t last = 0;
    for (int32_t i = 0; i < count; i++)
    {
        uint32_t column = (uint32_t)(block_columns * (narrow != NULL ? narrow[i] : wide[i]));
        const uint8_t *const end = weights + block_columns;
        for (const uint8_t *value = weights; value != end; value++)
        {
            const uint32_t weight = *value;
            if (weight != 0)
            {
                entries = sparsec_put_far(entries, column - last, weight);
                last = column;
            }
            column++;
        }
        weights += block_size;
    }
    return entries;
}

/* An entry of a block of one column. */
static inline uint8_t *put_column(uint8_t *entries, uint32_t *last, const uint32_t column, const uint32_t weight)
{
    if (weight != 0)
    {
        entries = sparsec_put_far(entries, column - *last, weight);
        *last = column;
    }
    return entries;
}

/* The same of blocks of one column in pairs: weights two bytes apart in a pair of `pair_size` bytes. */
static uint8_t *decode_pairs(uint8_t *entries,
                             const int32_t pair_size,
                             const uint8_t *weights,
                             const uint8_t *narrow,
                             const uint16_t *wide,
                             int32_t count)
{
    uint32_t last = 0;
    if (narrow != NULL)
    {
        for (; count > 0; count -= 2)
        {
            entries = put_column(entries, &last, narrow[0], weights[0]);
            entries = put_column(entries, &last, narrow[1], weights[2]);
            weights += pair_size;
            narrow += 2;
        }
        return entries;
    }
    for (; count > 0; count -= 2)
    {
        entries = put_column(entries, &last, wide[0], weights[0]);
        entries = put_column(entries, &last, wide[1], weights[2]);
        weights += pair_size;
        wide += 2;
    }
    return entries;
}

void sparsec_decode_block_s8(const int32_t block_rows,
                             const int32_t block_columns,
                             const int32_t rows,
                             const int32_t columns,
                             const int8_t *values,
                             const void *indices,
                             const uint16_t *block_counts,
                             uint8_t *entries,
                             uint16_t *counts)
{
    const int32_t size = block_rows * block_columns;
    const bool pairs = block_columns == 1 && block_rows % 2 == 0;
    const bool is_narrow = (columns + block_columns - 1) / block_columns <= MOST_NARROW_INDICES;
    const uint8_t *narrow = is_narrow ? (const uint8_t *)indices : NULL;
    const uint16_t *wide = is_narrow ? NULL : (const uint16_t *)indices;
    const uint8_t *weights = (const uint8_t *)values;

    for (int32_t first = 0; first < rows; first += block_rows)
    {
        const int32_t count = *block_counts++;
        const int32_t height = rows - first < block_rows ? rows - first : block_rows;
        for (int32_t row = 0; row < height; row++)
        {
            const uint8_t *const start = entries;
            entries =
                pairs ? decode_pairs(entries, 2 * size, weights + 4 * (row / 2) + row % 2, narrow, wide, count)
                      : decode_blocks(entries, block_columns, size, weights + row * block_columns, narrow, wide, count);
            *counts++ = sparsec_entries_between(start, entries);
        }
        weights += count * size;
        if (is_narrow)
        {
            narrow += count;
        }
        else
        {
            wide += count;
        }
    }
}
