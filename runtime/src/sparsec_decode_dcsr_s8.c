/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The 16 columns of a group are made in four words, a byte each: no sum exceeds a byte.
 */

#include "sparsec_decode.h"

#define LANES 16
#define EACH_BYTE 0x01010101u

/* Four bits to the lowest bits of four bytes. */
static inline uint32_t spread(const uint32_t bits)
{
    return (bits & 15) * 0x00204081u & EACH_BYTE;
}

/* The first 4 * used columns of group `group`, less its base; the bit masks behind those of the group. */
static inline const uint16_t *decode_group(uint32_t words[LANES / 4],
                                           const int32_t used,
                                           const uint32_t group,
                                           const uint32_t slope,
                                           const uint8_t *delta_indices,
                                           const uint8_t *bitmaps,
                                           const uint16_t *bitmasks)
{
    const uint8_t *const indices = delta_indices + (group >> 1) * LANES;
    const uint32_t shift = group & 1 ? 0 : 4;
    uint32_t line = slope * 0x03020100u;
    for (int32_t i = 0; i < used; i++)
    {
        words[i] = (sparsec_load_word(indices + 4 * i) >> shift & 0x0f0f0f0fu) + line;
        line += 4 * slope * EACH_BYTE;
    }
    uint32_t map = bitmaps[group >> 1] >> shift & 15;
    for (uint32_t bit = 4; map != 0; map >>= 1, bit++)
    {
        if (map & 1)
        {
            const uint32_t mask = *bitmasks++;
            for (int32_t i = 0; i < used; i++)
            {
                words[i] += spread(mask >> 4 * i) << bit;
            }
        }
    }
    return bitmasks;
}

void sparsec_decode_dcsr_s8(const sparsec_encoded *weights,
                            sparsec_place *place,
                            int32_t rows,
                            uint8_t *entries,
                            uint16_t *counts)
{
    sparsec_place begin = {0, {0, 0, 0}};
    place = place != NULL ? place : &begin;
    const int32_t columns = weights->columns;
    const uint8_t *const values = (const uint8_t *)weights->arrays[0];
    const int16_t *row_offsets = (const int16_t *)weights->arrays[1] + place->row;
    const uint8_t *const delta_indices = (const uint8_t *)weights->arrays[2];
    const int8_t *const group_minimums = (const int8_t *)weights->arrays[3];
    const uint8_t *const bitmaps = (const uint8_t *)weights->arrays[4];
    const uint16_t *const all_bitmasks = (const uint16_t *)weights->arrays[5];
    const uint32_t elements = *(const uint32_t *)weights->arrays[6];
    const int32_t mean = (int32_t)(elements / (uint32_t)weights->rows);
    const uint8_t *value = values + place->read[0];
    const uint16_t *bitmasks = all_bitmasks + place->read[1];
    uint32_t group = place->read[2];

    place->row += rows;
    for (; rows > 0; rows--)
    {
        const uint8_t *const start = entries;
        int32_t left = mean + *row_offsets++;
        const uint32_t slope = left != 0 ? (uint32_t)(columns + left / 2) / (uint32_t)left : 0;
        /* The last weight, or the start of the row, relative to the base of the group. */
        int32_t last = 0;
        while (left > 0)
        {
            uint32_t words[LANES / 4];
            const uint8_t *const lanes = (const uint8_t *)words;
            const int32_t count = left < LANES ? left : LANES;
            bitmasks = count == LANES
                           ? decode_group(words, LANES / 4, group, slope, delta_indices, bitmaps, bitmasks)
                           : decode_group(words, (count + 3) >> 2, group, slope, delta_indices, bitmaps, bitmasks);
            last -= group_minimums[group];
            for (int32_t i = 0; i < count; i++)
            {
                const int32_t column = lanes[i];
                const uint32_t weight = *value++;
                if (weight != 0)
                {
                    entries = sparsec_put_far(entries, (uint32_t)(column - last), weight);
                    last = column;
                }
            }
            last -= LANES * (int32_t)slope;
            left -= LANES;
            group++;
        }
        *counts++ = sparsec_entries_between(start, entries);
    }
    place->read[0] = (uint32_t)(value - values);
    place->read[1] = (uint32_t)(bitmasks - all_bitmasks);
    place->read[2] = group;
}
