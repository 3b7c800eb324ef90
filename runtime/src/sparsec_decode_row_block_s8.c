/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_decode.h"

void sparsec_decode_row_block_s8(const int32_t block_columns,
                                 const int32_t rows,
                                 const uint8_t *blocks,
                                 const uint16_t *block_counts,
                                 uint8_t *entries,
                                 uint16_t *counts)
{
    for (int32_t row = 0; row < rows; row++)
    {
        const uint8_t *const start = entries;
        const uint8_t *const end = blocks + block_counts[row] * (block_columns + 1);
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
        counts[row] = sparsec_entries_between(start, entries);
    }
}
