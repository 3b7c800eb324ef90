/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Steps come in pairs that cross rows: a row may begin with the second step of a pair and end with the first.
 */

#include "sparsec_decode.h"

/* One entry. Only bridges are zero, and behind a bridge there is another entry in its row, whose step is `following`: if
 * that is zero, a step of 255 is the last part of the way to a weight. */
#define TAKE(nibble, following)                                  \
    step += (nibble);                                            \
    weight = *value++;                                           \
    if (weight != 0)                                             \
    {                                                            \
        entries = sparsec_put(entries, step, weight);            \
        step = 0;                                                \
    }                                                            \
    else if (step == SPARSEC_LONGEST_STEP && (following) != 0)   \
    {                                                            \
        entries = sparsec_put(entries, SPARSEC_LONGEST_STEP, 0); \
        step = 0;                                                \
    }

void sparsec_decode_delta4_s8(const sparsec_encoded *weights,
                              sparsec_place *place,
                              int32_t rows,
                              uint8_t *entries,
                              uint16_t *counts)
{
    sparsec_place begin = {0, {0, 0, 0}};
    place = place != NULL ? place : &begin;
    const uint8_t *const values = (const uint8_t *)weights->arrays[0];
    const uint8_t *const all_steps = (const uint8_t *)weights->arrays[1];
    const uint16_t *stored = (const uint16_t *)weights->arrays[2] + place->row;
    const uint8_t *value = values + place->read[0];
    const uint8_t *steps = all_steps + place->read[1];
    bool half = place->read[2] != 0;
    uint32_t pair = half ? steps[-1] : 0;

    place->row += rows;
    for (; rows > 0; rows--)
    {
        const uint8_t *const start = entries;
        int32_t left = *stored++;
        uint32_t step = 0;
        uint32_t weight;

        if (half && left > 0)
        {
            TAKE(pair & 15, *steps >> 4)
            half = false;
            left--;
        }
        for (left -= 2; left >= 0; left -= 2)
        {
            pair = *steps++;
            TAKE(pair >> 4, pair & 15)
            TAKE(pair & 15, *steps >> 4)
        }
        if (left == -1)
        {
            pair = *steps++;
            TAKE(pair >> 4, pair & 15)
            half = true;
        }
        *counts++ = sparsec_entries_between(start, entries);
    }
    place->read[0] = (uint32_t)(value - values);
    place->read[1] = (uint32_t)(steps - all_steps);
    place->read[2] = half;
}
