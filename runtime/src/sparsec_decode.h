/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the decoders of compact formats share: they write the entries of the delta8 kernels, a column step and a weight
 * of a byte each. What they write is what formats/delta8.py would: no entry for a zero, and an entry (255, 0) only in
 * front of a step that would be longer. Words are read and written as on little-endian cores.
 */

#ifndef SPARSEC_DECODE_H
#define SPARSEC_DECODE_H

#include "sparsec.h"
#include "sparsec_arch.h"

#define SPARSEC_LONGEST_STEP 255

static inline uint32_t sparsec_load_word(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* An entry; the entry behind it. `step` and `weight` are bytes. */
static inline uint8_t *sparsec_put(uint8_t *entry, const uint32_t step, const uint32_t weight)
{
    const uint16_t both = (uint16_t)(step | weight << 8);
    memcpy(entry, &both, sizeof(both));
    return entry + sizeof(both);
}

/* An entry after a step of any length. */
static inline uint8_t *sparsec_put_far(uint8_t *entry, uint32_t step, const uint32_t weight)
{
    while (step > SPARSEC_LONGEST_STEP)
    {
        entry = sparsec_put(entry, SPARSEC_LONGEST_STEP, 0);
        step -= SPARSEC_LONGEST_STEP;
    }
    return sparsec_put(entry, step, weight);
}

/* How many entries lie between two. */
static inline uint16_t sparsec_entries_between(const uint8_t *first, const uint8_t *end)
{
    return (uint16_t)((uint32_t)(end - first) >> 1);
}

#endif
