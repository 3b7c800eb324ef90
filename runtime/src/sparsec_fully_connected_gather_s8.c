/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Single weights, 16 at a time: their inputs are gathered. A row is its weights, then a byte for each, its column. With
 * more than 256 inputs each 16 weights have a first column of their own, to which the bytes are added.
 */

#include "sparsec.h"
#include "sparsec_vector_rows.h"

#define LANES 16

#ifdef SPARSEC_MVE_ASSEMBLY

    /* gcc 12 cannot make loops that leave out the last lanes. `BASE` is where BEFORE has the inputs begin. */
    #define ROW(ACC, BEFORE, BASE)                                                     \
        "add %[column], %[weight], %[entries]\n\t"                                     \
        "add %[end], %[column], %[entries]\n\t"                                        \
        "wlstp.8 lr, %[entries], 2f\n"                                                 \
        "1:\n\t"                                                                       \
        "vldrb.u8 q0, [%[column]], #16\n\t" BEFORE "vldrb.u8 q1, [%[weight]], #16\n\t" \
        "vldrb.u8 q2, [%[" BASE "], q0]\n\t"                                           \
        "vmladava.s8 %[" ACC "], q1, q2\n\t"                                           \
        "letp lr, 1b\n"                                                                \
        "2:\n\t"

    #define NEXT(OFFSET)                              \
        "ldrh %[entries], [%[rows], #" OFFSET "]\n\t" \
        "mov %[weight], %[end]\n\t"

    #define FOUR_ROWS(BEFORE, BASE)                                                                      \
        __ASM volatile("ldrh %[entries], [%[rows], #18]\n\t" ROW("acc0", BEFORE, BASE) NEXT("22")        \
                           ROW("acc1", BEFORE, BASE) NEXT("26") ROW("acc2", BEFORE, BASE) NEXT("30")     \
                               ROW("acc3", BEFORE, BASE) "mov %[weight], %[end]" : [acc0] "+Te"(acc[0]), \
                       [acc1] "+Te"(acc[1]),                                                             \
                       [acc2] "+Te"(acc[2]),                                                             \
                       [acc3] "+Te"(acc[3]),                                                             \
                       [weight] "+r"(at->first),                                                         \
                       [bases] "+r"(at->second),                                                         \
                       [entries] "=&r"(entries),                                                         \
                       [column] "=&r"(column),                                                           \
                       [base] "=&r"(base),                                                               \
                       [end] "=&r"(end) : [rows] "r"(rows),                                              \
                       [input] "r"(input) : "lr",                                                        \
                       "q0",                                                                             \
                       "q1",                                                                             \
                       "q2",                                                                             \
                       "cc",                                                                             \
                       "memory")

SPARSEC_ALWAYS_INLINE void accumulate_four(const int8_t *input,
                                           const int32_t *rows,
                                           sparsec_position *at,
                                           int32_t acc[FOUR],
                                           const int32_t columns,
                                           const bool wide)
{
    int32_t entries;
    const uint8_t *column, *base, *end;
    (void)columns;
    if (wide)
    {
        FOUR_ROWS("ldrh %[base], [%[bases]], #2\n\t"
                  "add %[base], %[input], %[base]\n\t",
                  "base");
    }
    else
    {
        FOUR_ROWS("", "input");
    }
}

#else

SPARSEC_ALWAYS_INLINE void accumulate_four(const int8_t *input,
                                           const int32_t *rows,
                                           sparsec_position *at,
                                           int32_t acc[FOUR],
                                           const int32_t columns,
                                           const bool wide)
{
    (void)columns;
    for (int32_t row = 0; row < FOUR; row++)
    {
        const int32_t entries = sparsec_row_entries(rows, row);
        const uint8_t *const column = at->first + entries;
        const int8_t *base = input;
        for (int32_t i = 0; i < entries; i++)
        {
            if (wide && i % LANES == 0)
            {
                base = input + (at->second[0] | at->second[1] << 8);
                at->second += 2;
            }
            acc[row] += base[column[i]] * (int8_t)at->first[i];
        }
        at->first = column + entries;
    }
}

#endif

void sparsec_fully_connected_gather_s8(const cmsis_nn_fc_params *fc_params,
                                       const int32_t saturating,
                                       const int8_t *input,
                                       const cmsis_nn_dims *filter_dims,
                                       const int32_t *rows,
                                       const uint8_t *entries,
                                       const uint16_t *bases,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output)
{
    const sparsec_position at = {entries, (const uint8_t *)bases};
    const int32_t columns = filter_dims->n;
    if (columns > 256)
    {
        sparsec_each_four_rows(fc_params, saturating, input, columns, rows, at, output, output_dims->c, true);
    }
    else
    {
        sparsec_each_four_rows(fc_params, saturating, input, columns, rows, at, output, output_dims->c, false);
    }
}
