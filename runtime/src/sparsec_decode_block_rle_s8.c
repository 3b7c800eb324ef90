/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The stream knows no rows: they end where a weight lies behind their last column.
 */

#include "sparsec_decode.h"

/* A step less 128, in a byte, is the step with its highest bit flipped. */
#define STEP_BIAS 0x80

/* The next rows, until all are counted or the stream ends; how many were counted. `at` reads the place in the stream; the
 * room left less that of a whole row; and how many elements are left of a record that goes on in another row. Inlined, so
 * that records of one element have no loop. */
static inline int32_t decode_records(const int32_t size,
                                     const sparsec_encoded *weights,
                                     sparsec_place *at,
                                     const int32_t rows,
                                     uint8_t *entries,
                                     uint16_t *counts)
{
    const int32_t columns = weights->columns;
    const uint8_t *const first = (const uint8_t *)weights->arrays[0];
    const uint8_t *const end = first + weights->numbers[1];
    const uint8_t *stream = first + at->read[0];
    const uint8_t *start = entries;
    /* From here to the end of the row; and from the last weight, or the start of the row, to here. */
    int32_t room = columns + (int32_t)at->read[1];
    int32_t step = columns - room;
    int32_t left = (int32_t)at->read[2];
    int32_t row = 0;
    uint32_t weight = left != 0 ? *stream++ : 0;

    for (;;)
    {
        while (weight == 0)
        {
            if (stream == end)
            {
                counts[row++] = sparsec_entries_between(start, entries);
                at->read[0] = (uint32_t)(end - first);
                at->read[2] = 0;
                return row;
            }
            const int32_t distance = *stream++ ^ STEP_BIAS;
            step += distance;
            room -= distance;
            weight = *stream++;
            left = size;
        }
        for (;;)
        {
            if (weight != 0)
            {
                if (room <= 0)
                {
                    do
                    {
                        counts[row++] = sparsec_entries_between(start, entries);
                        start = entries;
                        room += columns;
                        if (row == rows)
                        {
                            at->read[0] = (uint32_t)(stream - 1 - first);
                            at->read[1] = (uint32_t)(room - columns);
                            at->read[2] = (uint32_t)left;
                            return row;
                        }
                    }
                    while (room <= 0);
                    step = columns - room;
                }
                entries = sparsec_put_far(entries, (uint32_t)step, weight);
                step = 0;
            }
            if (size == 1 || --left == 0)
            {
                break;
            }
            weight = *stream++;
            step++;
            room--;
        }
        weight = 0;
    }
}

void sparsec_decode_block_rle_s8(const sparsec_encoded *weights,
                                 sparsec_place *place,
                                 int32_t rows,
                                 uint8_t *entries,
                                 uint16_t *counts)
{
    sparsec_place begin = {0, {0, 0, 0}};
    place = place != NULL ? place : &begin;
    const int32_t size = weights->numbers[0];
    int32_t row = size == 1 ? decode_records(1, weights, place, rows, entries, counts)
                            : decode_records(size, weights, place, rows, entries, counts);

    while (row < rows)
    {
        counts[row++] = 0;
    }
    place->row += rows;
}
