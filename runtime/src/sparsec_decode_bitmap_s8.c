/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The bits of 32 columns at a time, with the first column as the highest bit: counting leading zeros gives the step to
 * the next weight, because the bit of the one before, once at the top, is cleared and counts as one of them.
 */

#include "sparsec_decode.h"

static inline uint32_t reverse_bits(uint32_t word)
{
#if defined(__GNUC__) && defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 2
    uint32_t reversed;
    __ASM("rbit %0, %1" : "=r"(reversed) : "r"(word));
    return reversed;
#else
    word = (word >> 1 & 0x55555555u) | (word & 0x55555555u) << 1;
    word = (word >> 2 & 0x33333333u) | (word & 0x33333333u) << 2;
    word = (word >> 4 & 0x0f0f0f0fu) | (word & 0x0f0f0f0fu) << 4;
    word = (word >> 8 & 0x00ff00ffu) | (word & 0x00ff00ffu) << 8;
    return word >> 16 | word << 16;
#endif
}

/* The up to 32 columns of a row behind its last whole word. */
static inline uint32_t load_tail(const uint8_t *bits, const int32_t row_bytes, const int32_t tail)
{
    if (row_bytes > tail)
    {
        /* The bytes in front of it belong to the row. */
        return sparsec_load_word(bits - (4 - tail)) >> (32 - 8 * tail);
    }
    uint32_t word = bits[0];
    if (tail > 1)
    {
        word |= (uint32_t)bits[1] << 8;
    }
    if (tail > 2)
    {
        word |= (uint32_t)bits[2] << 16;
    }
    return word;
}

/* The entries of a word with weights. `gap` is from the last weight, or the start of the row, to its first column. */
static inline uint8_t *decode_word(uint8_t *entries, const uint8_t **weights, uint32_t gap, const uint32_t word)
{
    const uint8_t *weight = *weights;
    uint32_t left = reverse_bits(word);
    uint32_t step = CLZ(left);
    entries = sparsec_put_far(entries, gap + step, *weight++);
    while ((left = (left << step) & 0x7fffffffu) != 0)
    {
        step = CLZ(left);
        entries = sparsec_put(entries, step, *weight++);
    }
    *weights = weight;
    return entries;
}

void sparsec_decode_bitmap_s8(const sparsec_encoded *weights,
                              sparsec_place *place,
                              int32_t rows,
                              uint8_t *entries,
                              uint16_t *counts)
{
    sparsec_place begin = {0, {0, 0, 0}};
    place = place != NULL ? place : &begin;
    const int32_t columns = weights->columns;
    const uint8_t *const values = (const uint8_t *)weights->arrays[0];
    const uint8_t *value = values + place->read[0];
    const int32_t row_bytes = (columns + 7) >> 3;
    const int32_t words = row_bytes >> 2;
    const int32_t tail = row_bytes & 3;
    const uint8_t *bits = (const uint8_t *)weights->arrays[1] + place->row * row_bytes;

    place->row += rows;
    for (; rows > 0; rows--)
    {
        const uint8_t *const start = entries;
        uint32_t gap = 0;
        for (int32_t i = words; i > 0; i--)
        {
            const uint32_t word = sparsec_load_word(bits);
            bits += 4;
            if (word != 0)
            {
                entries = decode_word(entries, &value, gap, word);
                gap = CLZ(word) + 1;
            }
            else
            {
                gap += 32;
            }
        }
        if (tail != 0)
        {
            const uint32_t word = load_tail(bits, row_bytes, tail);
            bits += tail;
            if (word != 0)
            {
                entries = decode_word(entries, &value, gap, word);
            }
        }
        *counts++ = sparsec_entries_between(start, entries);
    }
    place->read[0] = (uint32_t)(value - values);
}
