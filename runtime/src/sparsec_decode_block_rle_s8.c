/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The stream knows no rows: they end where a weight lies behind their last column.
 */

#include "sparsec_decode.h"

/* A step less 128, in a byte, is the step with its highest bit flipped. */
#define STEP_BIAS 0x80

/* The end of the counts that were written. Inlined, so that records of one element have no loop. */
static inline uint16_t *decode_records(const int32_t size,
                                       const int32_t columns,
                                       const uint8_t *stream,
                                       const uint8_t *end,
                                       uint8_t *entries,
                                       uint16_t *counts)
{
    const uint8_t *start = entries;
    /* From the last weight, or the start of the row, to here; and from here to the end of the row. */
    int32_t step = 0;
    int32_t room = columns;

    while (stream != end)
    {
        const int32_t distance = *stream++ ^ STEP_BIAS;
        step += distance;
        room -= distance;
        uint32_t weight = *stream++;
        if (weight == 0)
        {
            continue;
        }
        for (int32_t i = 1;; i++)
        {
            if (weight != 0)
            {
                if (room <= 0)
                {
                    do
                    {
                        *counts++ = sparsec_entries_between(start, entries);
                        start = entries;
                        room += columns;
                    }
                    while (room <= 0);
                    step = columns - room;
                }
                entries = sparsec_put_far(entries, (uint32_t)step, weight);
                step = 0;
            }
            if (i == size)
            {
                break;
            }
            weight = *stream++;
            step++;
            room--;
        }
    }
    *counts++ = sparsec_entries_between(start, entries);
    return counts;
}

void sparsec_decode_block_rle_s8(const int32_t size,
                                 const int32_t rows,
                                 const int32_t columns,
                                 const int32_t stream_bytes,
                                 const int8_t *stream,
                                 uint8_t *entries,
                                 uint16_t *counts)
{
    const uint16_t *const counts_end = counts + rows;
    const uint8_t *const first = (const uint8_t *)stream;
    const uint8_t *const end = first + stream_bytes;

    counts = size == 1 ? decode_records(1, columns, first, end, entries, counts)
                       : decode_records(size, columns, first, end, entries, counts);
    while (counts != counts_end)
    {
        *counts++ = 0;
    }
}
