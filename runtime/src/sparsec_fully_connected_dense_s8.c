/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Four rows at a time. Two of them, r0 and r1, share halves h = r0 + 256 * r1: products with h sum up to those with r0
 * and 256 times those with r1, so that a half is widened for r0 alone. The compiler has proven that a half fits 16 bits
 * and that the sum of r1 fits 24; then the difference, modulo 2^32, tells it exactly.
 *
 * Eight columns c0 .. c7 are words of two halves: c1 c3 of rows 0 and 1, of rows 2 and 3, then c0 c2, c4 c6, c5 c7. The
 * columns beyond the last eight are four weights each.
 */

#include "sparsec.h"
#include "sparsec_four_rows.h"

#define COLUMNS 8

#ifdef SPARSEC_DSP_ASSEMBLY

    /* Two columns, whose inputs are the halves of VALUES. */
    #define PAIR(VALUES, WEIGHTS)                         \
        "ldrd %[u], %[v], " WEIGHTS "\n\t"                \
        "sxtb16 %[w], %[u]\n\t"                           \
        "smlad %[acc1], %[" VALUES "], %[u], %[acc1]\n\t" \
        "smlad %[acc0], %[" VALUES "], %[w], %[acc0]\n\t" \
        "sxtb16 %[w], %[v]\n\t"                           \
        "smlad %[acc3], %[" VALUES "], %[v], %[acc3]\n\t" \
        "smlad %[acc2], %[" VALUES "], %[w], %[acc2]\n\t"

    #define FOUR(VALUES, EVEN, ODD)     \
        "ldr %[x], " VALUES "\n\t"      \
        "sxtb16 %[y], %[x], ror #8\n\t" \
        "sxtb16 %[x], %[x]\n\t" PAIR("x", EVEN) PAIR("y", ODD)

/* The whole groups of eight columns of four rows. */
SPARSEC_ALWAYS_INLINE void accumulate_groups(const int8_t *input, int32_t left, place_t *place, int32_t *acc)
{
    int32_t u, v, w, x, y;
    acc[0] = place->row[0];
    acc[1] = acc[0];
    acc[2] = place->row[2 * SPARSEC_ROW_WORDS];
    acc[3] = acc[2];
    __ASM volatile("subs %[left], %[left], #8\n\t"
                   "blo 2f\n"
                   "1:\n\t" FOUR("[%[input], #4]", "[%[at], #16]", "[%[at], #24]")
                       FOUR("[%[input]], #8", "[%[at], #8]", "[%[at]], #32") "subs %[left], %[left], #8\n\t"
                                                                             "bhs 1b\n"
                                                                             "2:" : [acc0] "+r"(acc[0]),
                   [acc1] "+r"(acc[1]),
                   [acc2] "+r"(acc[2]),
                   [acc3] "+r"(acc[3]),
                   [input] "+r"(input),
                   [left] "+r"(left),
                   [at] "+r"(place->at),
                   [u] "=&r"(u),
                   [v] "=&r"(v),
                   [w] "=&r"(w),
                   [x] "=&r"(x),
                   [y] "=&r"(y) : : "cc",
                   "memory");
    acc[1] = place->row[SPARSEC_ROW_WORDS] + ((int32_t)((uint32_t)acc[1] - (uint32_t)acc[0]) >> 8);
    acc[3] = place->row[3 * SPARSEC_ROW_WORDS] + ((int32_t)((uint32_t)acc[3] - (uint32_t)acc[2]) >> 8);
}

#else

/* The whole groups of eight columns of four rows. */
SPARSEC_ALWAYS_INLINE void accumulate_groups(const int8_t *input, int32_t left, place_t *place, int32_t *acc)
{
    static const uint8_t columns[COLUMNS] = {1, 3, 0, 2, 4, 6, 5, 7};
    for (int32_t i = 0; i < ROWS; i++)
    {
        acc[i] = place->row[i * SPARSEC_ROW_WORDS];
    }
    for (; left >= COLUMNS; left -= COLUMNS)
    {
        for (int32_t i = 0; i < COLUMNS; i++)
        {
            const int32_t value = input[columns[i]];
            for (int32_t two = 0; two < ROWS; two += 2)
            {
                const uint8_t *const half = place->at + i / 2 * 8 + two * 2 + i % 2 * 2;
                const int8_t low = (int8_t)half[0];
                acc[two] += value * low;
                acc[two + 1] += value * ((int8_t)half[1] + (low < 0 ? 1 : 0));
            }
        }
        input += COLUMNS;
        place->at += ROWS * COLUMNS;
    }
}

#endif

/* The biases of four rows, to which their products are added; `place` moves on to the next four. */
SPARSEC_ALWAYS_INLINE void accumulate(const int8_t *input, const int32_t inputs, place_t *place, int32_t *acc)
{
    accumulate_groups(input, inputs, place, acc);
    for (int32_t i = inputs - inputs % COLUMNS; i < inputs; i++)
    {
        for (int32_t row = 0; row < ROWS; row++)
        {
            acc[row] += input[i] * (int8_t)place->at[row];
        }
        place->at += ROWS;
    }
    place->row += ROWS * SPARSEC_ROW_WORDS;
}

void sparsec_fully_connected_dense_s8(const cmsis_nn_fc_params *fc_params,
                                      const int32_t saturating,
                                      const int8_t *input,
                                      const cmsis_nn_dims *filter_dims,
                                      const int32_t *rows,
                                      const int32_t *weights,
                                      const cmsis_nn_dims *output_dims,
                                      int8_t *output)
{
    const int8_t *const end = output + output_dims->c;
    place_t place = {rows, (const uint8_t *)weights};
    int32_t acc[ROWS];
#ifdef SPARSEC_DSP_ASSEMBLY
    if (saturating)
    {
        const int32_t centre = 2 * fc_params->output_offset + 1;
        while (end - output >= ROWS)
        {
            accumulate(input, filter_dims->n, &place, acc);
            output = store_saturated(acc, place.row, centre, output);
        }
    }
#else
    (void)saturating;
#endif
    while (output < end)
    {
        const int32_t *row = place.row;
        accumulate(input, filter_dims->n, &place, acc);
        for (int32_t i = 0; i < ROWS && output < end; i++)
        {
            *output++ = sparsec_row_output(acc[i], row, fc_params);
            row += SPARSEC_ROW_WORDS;
        }
    }
}
