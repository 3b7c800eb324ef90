/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_decode.h"

void sparsec_decode_row_block_s8(const sparsec_encoded *weights,
                                 sparsec_place *place,
                                 int32_t rows,
                                 uint8_t *entries,
                                 uint16_t *counts)
{
    sparsec_place begin = {0, {0, 0, 0}};
    place = place != NULL ? place : &begin;
    const int32_t block_columns = weights->numbers[1];
    const uint8_t *const all_blocks = (const uint8_t *)weights->arrays[0];
    const uint16_t *block_counts = (const uint16_t *)weights->arrays[1] + place->row;
    const uint8_t *blocks = all_blocks + place->read[0];

    place->row += rows;
    for (; rows > 0; rows--)
    {
        const uint8_t *const start = entries;
        const uint8_t *const end = blocks + *block_counts++ * (block_columns + 1);
        /* From the last weight to the first column of the block before. */
        uint32_t gap = 0;
        while (blocks != end)
        {
            uint32_t step = gap + (uint32_t)(*blocks++ * block_columns);
            const uint8_t *const block_end = blocks + block_columns;
            gap = step;
            while (blocks != block_end)
            {
                const uint32_t weight = *blocks++;
                if (weight != 0)
                {
                    entries = sparsec_put_far(entries, step, weight);
                    gap -= step;
                    step = 0;
                }
                step++;
            }
        }
        *counts++ = sparsec_entries_between(start, entries);
    }
    place->read[0] = (uint32_t)(blocks - all_blocks);
}
