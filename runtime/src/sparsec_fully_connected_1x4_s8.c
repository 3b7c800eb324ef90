/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of four neighbouring columns of a row: four weights, and the place of the columns in a list of its own. A place
 * is the number of the block in a byte, or two bytes with the first column where blocks do not tile the columns.
 */

#include "sparsec.h"
#include "sparsec_each_row.h"

#define GROUP 4
#define BLOCK 4

#ifdef SPARSEC_DSP_ASSEMBLY

    #define MULTIPLY(VALUES, WEIGHTS)                       \
        "sxtb16 %[x], %[" VALUES "]\n\t"                    \
        "sxtb16 %[w], %[" WEIGHTS "]\n\t"                   \
        "sxtb16 %[" VALUES "], %[" VALUES "], ror #8\n\t"   \
        "smlad %[acc], %[x], %[w], %[acc]\n\t"              \
        "sxtb16 %[" WEIGHTS "], %[" WEIGHTS "], ror #8\n\t" \
        "smlad %[acc], %[" VALUES "], %[" WEIGHTS "], %[acc]\n"

    #define ONE(LOAD, SIZE, SCALE)              \
        LOAD " %[a], [%[place]], #" SIZE "\n\t" \
             "ldr %[u], [%[weights]], #4\n\t"   \
             "ldr %[a], [%[input], %[a]" SCALE "]\n\t" MULTIPLY("a", "u")

    /* Two blocks, the second of which lies at SECOND. */
    #define TWO(LOAD, FIRST, SECOND, WEIGHTS, SCALE)             \
        LOAD " %[b], " SECOND "\n\t" LOAD " %[a], " FIRST "\n\t" \
             "ldrd %[u], %[v], " WEIGHTS "\n\t"                  \
             "ldr %[b], [%[input], %[b]" SCALE "]\n\t"           \
             "ldr %[a], [%[input], %[a]" SCALE "]\n\t" MULTIPLY("b", "v") "\t" MULTIPLY("a", "u")

    /* The sum of a row. Of a group the last weights and the first place are loaded last, and move the pointers on. The
     * lowest byte of `counts` stays as it is. */
    #define ROW(LOAD, SIZE, SCALE)                                                                              \
        __ASM volatile("ubfx %[a], %[counts], #8, #8\n\t"                                                       \
                       "tbb [pc, %[a]]\n"                                                                       \
                       "1:\n\t"                                                                                 \
                       ".byte (10f - 1b) / 2, (11f - 1b) / 2, (12f - 1b) / 2, (13f - 1b) / 2\n"                 \
                       "13:\n\t" ONE(LOAD, SIZE, SCALE) "12:\n\t" ONE(LOAD, SIZE, SCALE) "11:\n\t" ONE(         \
                           LOAD,                                                                                \
                           SIZE,                                                                                \
                           SCALE) "10:\n\t"                                                                     \
                                  "subs %[counts], %[counts], #0x10000\n\t"                                     \
                                  "blo 3f\n"                                                                    \
                                  "2:\n\t" TWO(LOAD,                                                            \
                                               "[%[place], #(2 * " SIZE ")]",                                   \
                                               "[%[place], #(3 * " SIZE ")]",                                   \
                                               "[%[weights], #8]",                                              \
                                               SCALE) "\t" TWO(LOAD,                                            \
                                                               "[%[place]], #(4 * " SIZE ")",                   \
                                                               "[%[place], #" SIZE "]",                         \
                                                               "[%[weights]], #16",                             \
                                                               SCALE) "\t"                                      \
                                                                      "subs %[counts], %[counts], #0x10000\n\t" \
                                                                      "bhs 2b\n"                                \
                                                                      "3:" : [acc] "+r"(acc),                   \
                       [counts] "+r"(*counts),                                                                  \
                       [place] "+r"(at->first),                                                                 \
                       [weights] "+r"(at->second),                                                              \
                       [u] "=&r"(u),                                                                            \
                       [v] "=&r"(v),                                                                            \
                       [w] "=&r"(w),                                                                            \
                       [x] "=&r"(x),                                                                            \
                       [a] "=&r"(a),                                                                            \
                       [b] "=&r"(b) : [input] "r"(input) : "cc",                                                \
                       "memory")

SPARSEC_ALWAYS_INLINE int32_t
accumulate_row(const int8_t *input, sparsec_position *at, int32_t *counts, int32_t acc, const bool wide)
{
    int32_t u, v, w, x, a, b;
    if (wide)
    {
        ROW("ldrh", "2", "");
    }
    else
    {
        ROW("ldrb", "1", ", lsl #2");
    }
    return acc;
}

#else

SPARSEC_ALWAYS_INLINE int32_t
accumulate_row(const int8_t *input, sparsec_position *at, int32_t *counts, int32_t acc, const bool wide)
{
    for (int32_t n = GROUP * sparsec_row_groups(*counts) + sparsec_row_left_over(*counts); n > 0; n--)
    {
        const int32_t first = wide ? at->first[0] | at->first[1] << 8 : BLOCK * at->first[0];
        for (int32_t i = 0; i < BLOCK; i++)
        {
            acc += input[first + i] * (int8_t)at->second[i];
        }
        at->first += wide ? 2 : 1;
        at->second += BLOCK;
    }
    return acc;
}

#endif

void sparsec_fully_connected_1x4_s8(const cmsis_nn_fc_params *fc_params,
                                    const int32_t saturating,
                                    const int8_t *input,
                                    const cmsis_nn_dims *filter_dims,
                                    const int32_t *rows,
                                    const uint8_t *places,
                                    const int32_t *weights,
                                    const cmsis_nn_dims *output_dims,
                                    int8_t *output)
{
    const sparsec_position at = {places, (const uint8_t *)weights};
    if (filter_dims->n % BLOCK != 0 || filter_dims->n > 256 * BLOCK)
    {
        sparsec_each_row(fc_params, saturating, input, rows, at, output, output_dims->c, true);
    }
    else
    {
        sparsec_each_row(fc_params, saturating, input, rows, at, output, output_dims->c, false);
    }
}
