/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A row is whole groups of eight entries, eight columns and then eight weights, and up to seven entries left over, pairs
 * of a column and a weight in a list of their own: no row is padded. Columns are bytes where 256 of them are enough.
 */

#include "sparsec.h"
#include "sparsec_each_row.h"

#define GROUP 8

#ifdef SPARSEC_DSP_ASSEMBLY

    #define LEFT_OVER(LOAD, SIZE)                         \
        LOAD " %[a], [%[left_over]], #(1 + " SIZE ")\n\t" \
             "ldrsb %[b], [%[left_over], #-1]\n\t"        \
             "ldrsb %[a], [%[input], %[a]]\n\t"           \
             "mla %[acc], %[a], %[b], %[acc]\n"

    /* Two entries, whose weights are one half, b or t, of the registers EVEN and odd. */
    #define TWO(LOAD, FIRST, SECOND, EVEN, HALF)                                \
        LOAD " %[b], [%[group], #(" SECOND ")]\n\t" LOAD " %[a], " FIRST "\n\t" \
             "ldrsb %[b], [%[input], %[b]]\n\t"                                 \
             "ldrsb %[a], [%[input], %[a]]\n\t"                                 \
             "smlab" HALF " %[acc], %[b], %[odd], %[acc]\n\t"                   \
             "smlab" HALF " %[acc], %[a], %[" EVEN "], %[acc]\n\t"

    /* The sum of a row. The first column of a group is loaded last, and moves the pointer on; column numbers are SIZE
     * bytes. The lowest byte of `counts` stays as it is. */
    #define ROW(LOAD, SIZE)                                                                                                                                                 \
        __ASM volatile("ubfx %[a], %[counts], #8, #8\n\t"                                                                                                                   \
                       "tbb [pc, %[a]]\n"                                                                                                                                   \
                       "1:\n\t"                                                                                                                                             \
                       ".byte (10f - 1b) / 2, (11f - 1b) / 2, (12f - 1b) / 2, (13f - 1b) / 2\n\t"                                                                           \
                       ".byte (14f - 1b) / 2, (15f - 1b) / 2, (16f - 1b) / 2, (17f - 1b) / 2\n"                                                                             \
                       "17:\n\t" LEFT_OVER(LOAD, SIZE) "16:\n\t" LEFT_OVER(LOAD, SIZE) "15:\n\t" LEFT_OVER(LOAD, SIZE) "14:\n\t" LEFT_OVER(LOAD, SIZE) "13:\n\t" LEFT_OVER( \
                           LOAD,                                                                                                                                            \
                           SIZE) "12:\n\t" LEFT_OVER(LOAD,                                                                                                                  \
                                                     SIZE) "11:\n\t" LEFT_OVER(LOAD,                                                                                        \
                                                                               SIZE) "10:\n\t"                                                                              \
                                                                                     "subs %[counts], %[counts], "                                                          \
                                                                                     "#0x10000\n\t"                                                                         \
                                                                                     "blo 3f\n"                                                                             \
                                                                                     "2:\n\t"                                                                               \
                                                                                     "ldrd %[low], %[high], "                                                               \
                                                                                     "[%[group], #(8 * " SIZE ")]\n\t"                                                      \
                                                                                     "sxtb16 %[odd], %[high], ror "                                                         \
                                                                                     "#8\n\t"                                                                               \
                                                                                     "sxtb16 %[high], "                                                                     \
                                                                                     "%[high]\n\t" TWO(                                                                     \
                                                                                         LOAD,                                                                              \
                                                                                         "[%[group], #(4 * " SIZE                                                           \
                                                                                         ")]",                                                                              \
                                                                                         "5 * " SIZE,                                                                       \
                                                                                         "high",                                                                            \
                                                                                         "b")                                                                               \
                                                                                         TWO(LOAD,                                                                          \
                                                                                             "[%[group], #(6 * " SIZE                                                       \
                                                                                             ")]",                                                                          \
                                                                                             "7 * " SIZE,                                                                   \
                                                                                             "high",                                                                        \
                                                                                             "t") "sxtb16 %[odd], "                                                         \
                                                                                                  "%[low], ror #8\n\t"                                                      \
                                                                                                  "sxtb16 %[low], "                                                         \
                                                                                                  "%[low]\n\t" TWO(                                                         \
                                                                                                      LOAD,                                                                 \
                                                                                                      "[%[group], "                                                         \
                                                                                                      "#(2 * " SIZE                                                         \
                                                                                                      ")]",                                                                 \
                                                                                                      "3 * " SIZE,                                                          \
                                                                                                      "low",                                                                \
                                                                                                      "t")                                                                  \
                                                                                                      TWO(LOAD,                                                             \
                                                                                                          "[%[group]]"                                                      \
                                                                                                          ", #(8 + 8 "                                                      \
                                                                                                          "* " SIZE                                                         \
                                                                                                          ")",                                                              \
                                                                                                          "1 * " SIZE,                                                      \
                                                                                                          "low",                                                            \
                                                                                                          "b") "subs "                                                      \
                                                                                                               "%["                                                         \
                                                                                                               "count"                                                      \
                                                                                                               "s], "                                                       \
                                                                                                               "%["                                                         \
                                                                                                               "count"                                                      \
                                                                                                               "s], "                                                       \
                                                                                                               "#0x10"                                                      \
                                                                                                               "000\n"                                                      \
                                                                                                               "\t"                                                         \
                                                                                                               "bhs "                                                       \
                                                                                                               "2b\n"                                                       \
                                                                                                               "3:" :                                                       \
                       [acc] "+r"(acc),                                                                                                                                     \
                       [counts] "+r"(*counts),                                                                                                                              \
                       [group] "+r"(at->first),                                                                                                                             \
                       [left_over] "+r"(at->second),                                                                                                                        \
                       [low] "=&r"(low),                                                                                                                                    \
                       [high] "=&r"(high),                                                                                                                                  \
                       [odd] "=&r"(odd),                                                                                                                                    \
                       [a] "=&r"(a),                                                                                                                                        \
                       [b] "=&r"(b) : [input] "r"(input) : "cc",                                                                                                            \
                       "memory")

SPARSEC_ALWAYS_INLINE int32_t
accumulate_row(const int8_t *input, sparsec_position *at, int32_t *counts, int32_t acc, const bool wide)
{
    int32_t low, high, odd, a, b;
    if (wide)
    {
        ROW("ldrh", "2");
    }
    else
    {
        ROW("ldrb", "1");
    }
    return acc;
}

#else

SPARSEC_ALWAYS_INLINE uint32_t column_at(const uint8_t *columns, const int32_t i, const bool wide)
{
    return wide ? (uint32_t)columns[2 * i] | (uint32_t)columns[2 * i + 1] << 8 : columns[i];
}

SPARSEC_ALWAYS_INLINE int32_t
accumulate_row(const int8_t *input, sparsec_position *at, int32_t *counts, int32_t acc, const bool wide)
{
    const int32_t size = wide ? 2 : 1;
    for (int32_t n = sparsec_row_left_over(*counts); n > 0; n--)
    {
        acc += input[column_at(at->second, 0, wide)] * (int8_t)at->second[size];
        at->second += size + 1;
    }
    for (int32_t n = sparsec_row_groups(*counts); n > 0; n--)
    {
        const uint8_t *const weights = at->first + GROUP * size;
        for (int32_t i = 0; i < GROUP; i++)
        {
            acc += input[column_at(at->first, i, wide)] * (int8_t)weights[i];
        }
        at->first = weights + GROUP;
    }
    return acc;
}

#endif

void sparsec_fully_connected_table_s8(const cmsis_nn_fc_params *fc_params,
                                      const int32_t saturating,
                                      const int8_t *input,
                                      const cmsis_nn_dims *filter_dims,
                                      const int32_t *rows,
                                      const int32_t *groups,
                                      const uint8_t *left_over,
                                      const cmsis_nn_dims *output_dims,
                                      int8_t *output)
{
    const sparsec_position at = {(const uint8_t *)groups, left_over};
    if (filter_dims->n > 256)
    {
        sparsec_each_row(fc_params, saturating, input, rows, at, output, output_dims->c, true);
    }
    else
    {
        sparsec_each_row(fc_params, saturating, input, rows, at, output, output_dims->c, false);
    }
}
