/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the fully connected kernels of 4x1 blocks share, which differ in the width of their weights.
 *
 * Four rows share their columns, which come in pairs i, j. The weights of a pair are two words of bytes, from the lowest
 * up [r0i r1i r0j r1j] [r2i r3i r2j r3j], or (w16) four words of halves [r0i r0j] .. [r3i r3j]. A group is the weights of
 * its second pair, those of its first one and the columns of both; a pair left over is its weights and its columns, and
 * fills whole words. Columns are bytes where 256 of them are enough.
 */

#ifndef SPARSEC_COLUMN_BLOCKS_H
#define SPARSEC_COLUMN_BLOCKS_H

#include "sparsec.h"
#include "sparsec_four_rows.h"

#ifdef SPARSEC_DSP_ASSEMBLY

    /* The inputs of a pair, its columns COLUMNS bytes behind the pointer, as the halves of one register. */
    #define INPUTS(LOAD, SIZE, COLUMNS)                                                                \
        LOAD " %[x], [%[at], #(" COLUMNS ")]\n\t" LOAD " %[y], [%[at], #(" COLUMNS " + " SIZE ")]\n\t" \
             "ldrsb %[x], [%[input], %[x]]\n\t"                                                        \
             "ldrsb %[y], [%[input], %[y]]\n\t"                                                        \
             "pkhbt %[x], %[x], %[y], lsl #16\n\t"

    /* The pair's weights are at WEIGHTS. */
    #define PAIR_S8(LOAD, SIZE, COLUMNS, WEIGHTS) \
        INPUTS(LOAD, SIZE, COLUMNS)               \
        "ldrd %[u], %[v], " WEIGHTS "\n\t"        \
        "sxtb16 %[y], %[u]\n\t"                   \
        "smlad %[acc0], %[x], %[y], %[acc0]\n\t"  \
        "sxtb16 %[u], %[u], ror #8\n\t"           \
        "smlad %[acc1], %[x], %[u], %[acc1]\n\t"  \
        "sxtb16 %[y], %[v]\n\t"                   \
        "smlad %[acc2], %[x], %[y], %[acc2]\n\t"  \
        "sxtb16 %[v], %[v], ror #8\n\t"           \
        "smlad %[acc3], %[x], %[v], %[acc3]\n\t"

    /* The weights of rows 2 and 3 are at UPPER, those of rows 0 and 1 at LOWER. */
    #define PAIR_S16(LOAD, SIZE, COLUMNS, UPPER, LOWER) \
        INPUTS(LOAD, SIZE, COLUMNS)                     \
        "ldrd %[u], %[v], " UPPER "\n\t"                \
        "smlad %[acc2], %[x], %[u], %[acc2]\n\t"        \
        "smlad %[acc3], %[x], %[v], %[acc3]\n\t"        \
        "ldrd %[u], %[v], " LOWER "\n\t"                \
        "smlad %[acc0], %[x], %[u], %[acc0]\n\t"        \
        "smlad %[acc1], %[x], %[v], %[acc1]\n\t"

    /* The last load of a group moves the pointer on. */
    #define LEFT_OVER_S8(LOAD, SIZE) PAIR_S8(LOAD, SIZE, "8", "[%[at]], #12")
    #define GROUP_S8(LOAD, SIZE)                 \
        PAIR_S8(LOAD, SIZE, "16", "[%[at], #8]") \
        PAIR_S8(LOAD, SIZE, "16 + 2 * " SIZE, "[%[at]], #(16 + 4 * " SIZE ")")
    #define LEFT_OVER_S16(LOAD, SIZE) PAIR_S16(LOAD, SIZE, "16", "[%[at], #8]", "[%[at]], #20")
    #define GROUP_S16(LOAD, SIZE)                                  \
        PAIR_S16(LOAD, SIZE, "32", "[%[at], #24]", "[%[at], #16]") \
        PAIR_S16(LOAD, SIZE, "32 + 2 * " SIZE, "[%[at], #8]", "[%[at]], #(32 + 4 * " SIZE ")")

    /* The biases of four rows, to which their products are added; `row` and `at` move on to the next four. */
    #define FOUR_ROWS(LEFT_OVER, GROUP)                                         \
        __ASM volatile("ldrd %[acc0], %[counts], [%[row]], #48\n\t"             \
                       "ldr %[acc1], [%[row], #-36]\n\t"                        \
                       "ldr %[acc2], [%[row], #-24]\n\t"                        \
                       "ldr %[acc3], [%[row], #-12]\n\t"                        \
                       "tst %[counts], #0x100\n\t"                              \
                       "beq 1f\n\t" LEFT_OVER "\n"                              \
                       "1:\n\t"                                                 \
                       "subs %[counts], %[counts], #0x10000\n\t"                \
                       "blo 3f\n"                                               \
                       "2:\n\t" GROUP "subs %[counts], %[counts], #0x10000\n\t" \
                       "bhs 2b\n"                                               \
                       "3:" : [acc0] "=&r"(acc[0]),                             \
                       [acc1] "=&r"(acc[1]),                                    \
                       [acc2] "=&r"(acc[2]),                                    \
                       [acc3] "=&r"(acc[3]),                                    \
                       [counts] "=&r"(counts),                                  \
                       [row] "+r"(place->row),                                  \
                       [at] "+r"(place->at),                                    \
                       [u] "=&r"(u),                                            \
                       [v] "=&r"(v),                                            \
                       [x] "=&r"(x),                                            \
                       [y] "=&r"(y) : [input] "r"(input) : "cc",                \
                       "memory")

SPARSEC_ALWAYS_INLINE void
accumulate(const int8_t *input, place_t *place, int32_t *acc, const bool wide, const bool w16)
{
    int32_t counts, u, v, x, y;
    if (wide && w16)
    {
        FOUR_ROWS(LEFT_OVER_S16("ldrh", "2"), GROUP_S16("ldrh", "2"));
    }
    else if (w16)
    {
        FOUR_ROWS(LEFT_OVER_S16("ldrb", "1"), GROUP_S16("ldrb", "1"));
    }
    else if (wide)
    {
        FOUR_ROWS(LEFT_OVER_S8("ldrh", "2"), GROUP_S8("ldrh", "2"));
    }
    else
    {
        FOUR_ROWS(LEFT_OVER_S8("ldrb", "1"), GROUP_S8("ldrb", "1"));
    }
}

#else

SPARSEC_ALWAYS_INLINE void add_pair(const int8_t *input,
                                    const uint8_t *weights,
                                    const uint8_t *columns,
                                    int32_t *acc,
                                    const bool wide,
                                    const bool w16)
{
    const int32_t i = wide ? columns[0] | columns[1] << 8 : columns[0];
    const int32_t j = wide ? columns[2] | columns[3] << 8 : columns[1];
    for (int32_t row = 0; row < ROWS; row++)
    {
        /* The lower byte of a half is the whole weight. */
        const uint8_t *const weight = w16 ? weights + 4 * row : weights + row % 2 + row / 2 * 4;
        acc[row] += input[i] * (int8_t)weight[0] + input[j] * (int8_t)weight[2];
    }
}

/* The biases of four rows, to which their products are added; `place` moves on to the next four. */
SPARSEC_ALWAYS_INLINE void
accumulate(const int8_t *input, place_t *place, int32_t *acc, const bool wide, const bool w16)
{
    const int32_t pair = w16 ? 16 : 8;
    const int32_t columns = wide ? 4 : 2;
    const int32_t counts = place->row[1];
    for (int32_t i = 0; i < ROWS; i++)
    {
        acc[i] = place->row[i * SPARSEC_ROW_WORDS];
    }
    if (sparsec_row_left_over(counts) != 0)
    {
        add_pair(input, place->at, place->at + pair, acc, wide, w16);
        place->at += pair + 4;
    }
    for (int32_t n = sparsec_row_groups(counts); n > 0; n--)
    {
        add_pair(input, place->at + pair, place->at + 2 * pair, acc, wide, w16);
        add_pair(input, place->at, place->at + 2 * pair + columns, acc, wide, w16);
        place->at += 2 * (pair + columns);
    }
    place->row += ROWS * SPARSEC_ROW_WORDS;
}

#endif

SPARSEC_ALWAYS_INLINE void fully_connected(const cmsis_nn_fc_params *fc_params,
                                           const int32_t saturating,
                                           const int8_t *input,
                                           place_t place,
                                           int8_t *output,
                                           const int32_t outputs,
                                           const bool wide,
                                           const bool w16)
{
    const int8_t *const end = output + outputs;
    int32_t acc[ROWS];
#ifdef SPARSEC_DSP_ASSEMBLY
    if (saturating)
    {
        const int32_t centre = 2 * fc_params->output_offset + 1;
        while (end - output >= ROWS)
        {
            accumulate(input, &place, acc, wide, w16);
            output = store_saturated(acc, place.row, centre, output);
        }
    }
#else
    (void)saturating;
#endif
    while (output < end)
    {
        const int32_t *row = place.row;
        accumulate(input, &place, acc, wide, w16);
        for (int32_t i = 0; i < ROWS && output < end; i++)
        {
            *output++ = sparsec_row_output(acc[i], row, fc_params);
            row += SPARSEC_ROW_WORDS;
        }
    }
}

#endif
