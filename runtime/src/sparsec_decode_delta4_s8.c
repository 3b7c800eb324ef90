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

void sparsec_decode_delta4_s8(int32_t rows,
                              const int8_t *values,
                              const uint8_t *steps,
                              const uint16_t *counts,
                              uint8_t *entries,
                              uint16_t *entry_counts)
{
    const uint8_t *value = (const uint8_t *)values;
    uint32_t pair = 0;
    bool half = false;

    for (; rows > 0; rows--)
    {
        const uint8_t *const start = entries;
        int32_t left = *counts++;
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
        *entry_counts++ = sparsec_entries_between(start, entries);
    }
}
