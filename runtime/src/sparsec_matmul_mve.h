/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Products of a run of bytes with four others on Helium, and sixteen sums to bytes.
 */

#ifndef SPARSEC_MATMUL_MVE_H
#define SPARSEC_MATMUL_MVE_H

#include "sparsec_matmul.h"
#include "sparsec_requantize_mve.h"

#if defined(ARM_MATH_MVEI) && defined(__GNUC__)
    #define SPARSEC_MATMUL_MVE

    /* Products of a run of bytes with four others; SUM is one more instruction for each vector of them. */
    #define SPARSEC_DOTS(SUM)                                                  \
        "dlstp.8 lr, %[count]\n"                                               \
        "1:\n\t"                                                               \
        "vldrb.8 q0, [%[run]], #16\n\t"                                        \
        "vldrb.8 q1, [%[row0]], #16\n\t"                                       \
        "vldrb.8 q2, [%[row1]], #16\n\t" SUM "vmladava.s8 %[acc0], q0, q1\n\t" \
        "vldrb.8 q3, [%[row2]], #16\n\t"                                       \
        "vmladava.s8 %[acc1], q0, q2\n\t"                                      \
        "vldrb.8 q1, [%[row3]], #16\n\t"                                       \
        "vmladava.s8 %[acc2], q0, q3\n\t"                                      \
        "vmladava.s8 %[acc3], q0, q1\n\t"                                      \
        "letp lr, 1b"

/* `acc` becomes the products of `run` and four rows, `count` bytes of each. */
SPARSEC_ALWAYS_INLINE void
sparsec_multiply(const int8_t *run, const int8_t *const *const rows, const int32_t count, int32_t *const acc)
{
    const int8_t *row0 = rows[0];
    const int8_t *row1 = rows[1];
    const int8_t *row2 = rows[2];
    const int8_t *row3 = rows[3];
    int32_t acc0 = 0;
    int32_t acc1 = 0;
    int32_t acc2 = 0;
    int32_t acc3 = 0;
    __ASM volatile(SPARSEC_DOTS("") : [acc0] "+Te"(acc0),
                   [acc1] "+Te"(acc1),
                   [acc2] "+Te"(acc2),
                   [acc3] "+Te"(acc3),
                   [run] "+r"(run),
                   [row0] "+r"(row0),
                   [row1] "+r"(row1),
                   [row2] "+r"(row2),
                   [row3] "+r"(row3) : [count] "r"(count) : "q0",
                   "q1",
                   "q2",
                   "q3",
                   "lr",
                   "memory");
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* The same, and the sum of `run`. */
SPARSEC_ALWAYS_INLINE int32_t sparsec_multiply_and_sum(const int8_t *run,
                                                       const int8_t *const *const rows,
                                                       const int32_t count,
                                                       int32_t *const acc)
{
    const int8_t *row0 = rows[0];
    const int8_t *row1 = rows[1];
    const int8_t *row2 = rows[2];
    const int8_t *row3 = rows[3];
    int32_t acc0 = 0;
    int32_t acc1 = 0;
    int32_t acc2 = 0;
    int32_t acc3 = 0;
    int32_t sum = 0;
    __ASM volatile(SPARSEC_DOTS("vaddva.s8 %[sum], q0\n\t") : [acc0] "+Te"(acc0),
                   [acc1] "+Te"(acc1),
                   [acc2] "+Te"(acc2),
                   [acc3] "+Te"(acc3),
                   [sum] "+Te"(sum),
                   [run] "+r"(run),
                   [row0] "+r"(row0),
                   [row1] "+r"(row1),
                   [row2] "+r"(row2),
                   [row3] "+r"(row3) : [count] "r"(count) : "q0",
                   "q1",
                   "q2",
                   "q3",
                   "lr",
                   "memory");
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
    return sum;
}

/* Four vectors of sums to bytes: byte 4 * i + j is lane i of vector j. */
static inline int8x16_t sparsec_sums_to_bytes(const int32x4_t *const sums, const sparsec_matmul_params *const params)
{
    const int32_t multiplier = params->quant_params.multiplier;
    const int32_t shift = params->quant_params.shift;
    const int32_t offset = params->output_offset;
    int8x16_t bytes;
    if (SPARSEC_LIKELY(shift < 0))
    {
        bytes = sparsec_narrow(sparsec_right_of_channel(sums[0], multiplier, shift),
                               sparsec_right_of_channel(sums[1], multiplier, shift),
                               sparsec_right_of_channel(sums[2], multiplier, shift),
                               sparsec_right_of_channel(sums[3], multiplier, shift),
                               offset);
    }
    else
    {
        bytes = sparsec_narrow(sparsec_any_of_channel(sums[0], multiplier, shift, offset),
                               sparsec_any_of_channel(sums[1], multiplier, shift, offset),
                               sparsec_any_of_channel(sums[2], multiplier, shift, offset),
                               sparsec_any_of_channel(sums[3], multiplier, shift, offset),
                               offset);
    }
    return sparsec_clamp_vector(bytes, &params->activation);
}

#endif

#endif
