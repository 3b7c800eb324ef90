/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of four neighbouring columns, four blocks at a time: their inputs are gathered as words. A row is the weights of
 * its blocks, then the number of each, a byte or two.
 */

#include "sparsec.h"
#include "sparsec_vector_rows.h"

#define BLOCK 4

#ifdef SPARSEC_MVE_ASSEMBLY

    #define ROW(ACC, LOAD, SCALE)                         \
        "add %[place], %[weight], %[entries], lsl #2\n\t" \
        "add %[end], %[place], %[entries]" SCALE "\n\t"   \
        "wlstp.32 lr, %[entries], 2f\n"                   \
        "1:\n\t" LOAD "\n\t"                              \
        "vldrb.u8 q1, [%[weight]], #16\n\t"               \
        "vldrw.u32 q2, [%[input], q0, uxtw #2]\n\t"       \
        "vmladava.s8 %[" ACC "], q1, q2\n\t"              \
        "letp lr, 1b\n"                                   \
        "2:\n\t"

    #define NEXT(OFFSET)                              \
        "ldrh %[entries], [%[rows], #" OFFSET "]\n\t" \
        "mov %[weight], %[end]\n\t"

    #define FOUR_ROWS(LOAD, SCALE)                                                                      \
        __ASM volatile("ldrh %[entries], [%[rows], #18]\n\t" ROW("acc0", LOAD, SCALE) NEXT("22")        \
                           ROW("acc1", LOAD, SCALE) NEXT("26") ROW("acc2", LOAD, SCALE) NEXT("30")      \
                               ROW("acc3", LOAD, SCALE) "mov %[weight], %[end]" : [acc0] "+Te"(acc[0]), \
                       [acc1] "+Te"(acc[1]),                                                            \
                       [acc2] "+Te"(acc[2]),                                                            \
                       [acc3] "+Te"(acc[3]),                                                            \
                       [weight] "+r"(at->first),                                                        \
                       [entries] "=&r"(entries),                                                        \
                       [place] "=&l"(place),                                                            \
                       [end] "=&r"(end) : [rows] "r"(rows),                                             \
                       [input] "r"(input) : "lr",                                                       \
                       "q0",                                                                            \
                       "q1",                                                                            \
                       "q2",                                                                            \
                       "cc",                                                                            \
                       "memory")

SPARSEC_ALWAYS_INLINE void accumulate_four(const int8_t *input,
                                           const int32_t *rows,
                                           sparsec_position *at,
                                           int32_t acc[FOUR],
                                           const int32_t columns,
                                           const bool wide)
{
    int32_t entries;
    const uint8_t *place, *end;
    (void)columns;
    if (wide)
    {
        FOUR_ROWS("vldrh.u32 q0, [%[place]], #8", ", lsl #1");
    }
    else
    {
        FOUR_ROWS("vldrb.u32 q0, [%[place]], #4", "");
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
    for (int32_t row = 0; row < FOUR; row++)
    {
        const int32_t entries = sparsec_row_entries(rows, row);
        const uint8_t *weight = at->first;
        const uint8_t *place = weight + BLOCK * entries;
        for (int32_t n = 0; n < entries; n++)
        {
            const int32_t first = BLOCK * (wide ? place[0] | place[1] << 8 : place[0]);
            for (int32_t i = 0; i < BLOCK && first + i < columns; i++)
            {
                acc[row] += input[first + i] * (int8_t)weight[i];
            }
            weight += BLOCK;
            place += wide ? 2 : 1;
        }
        at->first = place;
    }
}

#endif

void sparsec_fully_connected_gather_1x4_s8(const cmsis_nn_context *ctx,
                                           const cmsis_nn_fc_params *fc_params,
                                           const int32_t saturating,
                                           const int8_t *input,
                                           const cmsis_nn_dims *filter_dims,
                                           const int32_t *rows,
                                           const int32_t *entries,
                                           const cmsis_nn_dims *output_dims,
                                           int8_t *output)
{
    const sparsec_position at = {(const uint8_t *)entries, NULL};
    const int32_t columns = filter_dims->n;
    /* Helium faults on words that are not aligned. */
    if ((uintptr_t)input % BLOCK != 0)
    {
        input = (const int8_t *)memcpy(ctx->buf, input, (size_t)columns);
    }
    if (columns > 256 * BLOCK)
    {
        sparsec_each_four_rows(fc_params, saturating, input, columns, rows, at, output, output_dims->c, true);
    }
    else
    {
        sparsec_each_four_rows(fc_params, saturating, input, columns, rows, at, output, output_dims->c, false);
    }
}
