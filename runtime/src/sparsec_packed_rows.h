/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the files of sparsec_convolve_packed_s8 share. sparsec/layouts/packed_rows.py writes the stream and proves that
 * no accumulator leaves its field.
 */

#ifndef SPARSEC_PACKED_ROWS_H
#define SPARSEC_PACKED_ROWS_H

#include "sparsec_arch.h"

/* A word is (input of a pixel) + (input of its partner) * 2^23, an accumulator (its sum) + (its partner's) * 2^23. */
#define PACKED_FIELD_BITS 23
/* Words, that is pairs of pixels, of a full strip. */
#define PACKED_STRIP 4

/* The start of a stream. */
typedef struct
{
    uint16_t row_words;
    uint16_t phase_words;
    uint16_t pairs_rows;
    uint16_t flat;
} sparsec_packed_header;

/* The kinds of a group of rows. */
#define PACKED_END 0
#define PACKED_NARROW 1
#define PACKED_WIDE 2
#define PACKED_GENERIC 3

/* The code of what follows the last row of a group; the code, modulo 8, of a row of blocks (a step of whole channels, and
 * four weights); and the bit of an output channel that has more rows. */
#define PACKED_EXIT 4
#define PACKED_BLOCKS 5
#define PACKED_BLOCK_BYTES 5
#define PACKED_MORE 0x80000000u

/* Up to PACKED_STRIP words of one strip; the assembly knows the layout. */
typedef struct
{
    int8_t *output;  /* First output pixel */
    int32_t partner; /* Bytes from an output pixel to its partner */
    int32_t channels;
    const int32_t *words;
    int32_t offset; /* Twice the output offset, and 1 */
} sparsec_packed_strip;

#if defined(ARM_MATH_DSP) && defined(__GNUC__) && defined(__thumb2__)
    #define PACKED_ASSEMBLY 1

/* The NARROW and WIDE groups for a strip of 4, 3, 2 or 1 words; returns the first group of another kind. */
const uint8_t *sparsec_packed_rows_4(const uint8_t *groups, const sparsec_packed_strip *strip);
const uint8_t *sparsec_packed_rows_3(const uint8_t *groups, const sparsec_packed_strip *strip);
const uint8_t *sparsec_packed_rows_2(const uint8_t *groups, const sparsec_packed_strip *strip);
const uint8_t *sparsec_packed_rows_1(const uint8_t *groups, const sparsec_packed_strip *strip);

/* Adds the products of the entries from `entry` to `end` and 4, 3, 2 or 1 words to as many of `acc`, which has room for four;
 * returns the words of the last. */
const int32_t *
sparsec_packed_sums_4(const uint8_t *entry, const uint8_t *end, const int32_t *words, int64_t acc[PACKED_STRIP]);
const int32_t *
sparsec_packed_sums_3(const uint8_t *entry, const uint8_t *end, const int32_t *words, int64_t acc[PACKED_STRIP]);
const int32_t *
sparsec_packed_sums_2(const uint8_t *entry, const uint8_t *end, const int32_t *words, int64_t acc[PACKED_STRIP]);
const int32_t *
sparsec_packed_sums_1(const uint8_t *entry, const uint8_t *end, const int32_t *words, int64_t acc[PACKED_STRIP]);

/* For each channel of 4 (2) pairs of pixels their words, `row_bytes` after those of the channel before. */
void sparsec_pack_words_4(const int8_t *const *pixels, int32_t *words, int32_t channels, int32_t row_bytes);
void sparsec_pack_words_2(const int8_t *const *pixels, int32_t *words, int32_t channels, int32_t row_bytes);

/* The same for four pixels that are `step` bytes apart, and their partners. */
void sparsec_pack_even_words(const int8_t *pixel,
                             const int8_t *partner,
                             int32_t *words,
                             int32_t row_bytes,
                             int32_t channels,
                             int32_t step);
#endif

#endif
