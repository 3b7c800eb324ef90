/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 16 neighbouring columns, a vector each: the weights, and the first column in a list of its own.
 */

#include "sparsec.h"
#include "sparsec_vector_rows.h"

#define BLOCK 16

#ifdef SPARSEC_MVE_ASSEMBLY

    /* NEXT is how the row behind gets its entries. */
    #define ROW(ACC, ENTRIES, NEXT)                   \
        NEXT "wls lr, %[" ENTRIES "], 2f\n"           \
             "1:\n\t"                                 \
             "ldrh %[values], [%[place]], #2\n\t"     \
             "vldrb.u8 q0, [%[weight]], #16\n\t"      \
             "add %[values], %[input], %[values]\n\t" \
             "vldrb.u8 q1, [%[values]]\n\t"           \
             "vmladava.s8 %[" ACC "], q0, q1\n\t"     \
             "le lr, 1b\n"                            \
             "2:\n\t"

SPARSEC_ALWAYS_INLINE void accumulate_four(const int8_t *input,
                                           const int32_t *rows,
                                           sparsec_position *at,
                                           int32_t acc[FOUR],
                                           const int32_t columns,
                                           const bool wide)
{
    int32_t even, odd;
    const int8_t *values;
    (void)columns;
    (void)wide;
    __ASM volatile("ldrh %[even], [%[rows], #18]\n\t" ROW("acc0", "even", "ldrh %[odd], [%[rows], #22]\n\t")
                       ROW("acc1", "odd", "ldrh %[even], [%[rows], #26]\n\t")
                           ROW("acc2", "even", "ldrh %[odd], [%[rows], #30]\n\t")
                               ROW("acc3", "odd", "") : [acc0] "+Te"(acc[0]),
                   [acc1] "+Te"(acc[1]),
                   [acc2] "+Te"(acc[2]),
                   [acc3] "+Te"(acc[3]),
                   [weight] "+r"(at->first),
                   [place] "+r"(at->second),
                   [even] "=&r"(even),
                   [odd] "=&r"(odd),
                   [values] "=&r"(values) : [rows] "r"(rows),
                   [input] "r"(input) : "lr",
                   "q0",
                   "q1",
                   "cc",
                   "memory");
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
    (void)wide;
    for (int32_t row = 0; row < FOUR; row++)
    {
        for (int32_t n = sparsec_row_entries(rows, row); n > 0; n--)
        {
            const int8_t *const values = input + (at->second[0] | at->second[1] << 8);
            for (int32_t i = 0; i < BLOCK; i++)
            {
                acc[row] += values[i] * (int8_t)at->first[i];
            }
            at->first += BLOCK;
            at->second += 2;
        }
    }
}

#endif

void sparsec_fully_connected_1x16_s8(const cmsis_nn_fc_params *fc_params,
                                     const int32_t saturating,
                                     const int8_t *input,
                                     const cmsis_nn_dims *filter_dims,
                                     const int32_t *rows,
                                     const int8_t *weights,
                                     const uint16_t *places,
                                     const cmsis_nn_dims *output_dims,
                                     int8_t *output)
{
    const sparsec_position at = {(const uint8_t *)weights, (const uint8_t *)places};
    const int32_t columns = filter_dims->n;
    sparsec_each_four_rows(fc_params, saturating, input, columns, rows, at, output, output_dims->c, true);
}
