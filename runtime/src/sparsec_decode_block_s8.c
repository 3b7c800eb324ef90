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

void sparsec_decode_block_s8(const sparsec_encoded *weights,
                             sparsec_place *place,
                             int32_t rows,
                             uint8_t *entries,
                             uint16_t *counts)
{
    sparsec_place begin = {0, {0, 0, 0}};
    place = place != NULL ? place : &begin;
    const int32_t block_rows = weights->numbers[0];
    const int32_t block_columns = weights->numbers[1];
    const int32_t size = block_rows * block_columns;
    const bool pairs = block_columns == 1 && block_rows % 2 == 0;
    const bool is_narrow = (weights->columns + block_columns - 1) / block_columns <= MOST_NARROW_INDICES;
    const uint8_t *values = (const uint8_t *)weights->arrays[0] + place->read[0];
    const uint16_t *block_counts = (const uint16_t *)weights->arrays[2] + place->row / block_rows;
    int32_t row = place->row % block_rows;

    place->row += rows;
    for (; rows > 0; rows--)
    {
        const int32_t count = *block_counts;
        const uint8_t *const narrow = is_narrow ? (const uint8_t *)weights->arrays[1] + place->read[1] : NULL;
        const uint16_t *const wide = is_narrow ? NULL : (const uint16_t *)weights->arrays[1] + place->read[1];
        const uint8_t *const start = entries;
        entries = pairs
                      ? decode_pairs(entries, 2 * size, values + 4 * (row / 2) + row % 2, narrow, wide, count)
                      : decode_blocks(entries, block_columns, size, values + row * block_columns, narrow, wide, count);
        *counts++ = sparsec_entries_between(start, entries);
        if (++row == block_rows)
        {
            row = 0;
            block_counts++;
            values += count * size;
            place->read[0] += (uint32_t)(count * size);
            place->read[1] += (uint32_t)count;
        }
    }
}
