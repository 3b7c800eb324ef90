/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of exponentials once their sum is known, as CMSIS-NN's softmax has it.
 */

#ifndef SPARSEC_SOFTMAX_ROW_H
#define SPARSEC_SOFTMAX_ROW_H

#include "sparsec_arch.h"

/* Bits of a sum of exponentials behind the point, less those of its int32. */
#define SPARSEC_SUM_BITS 12

/* A sum of 512, above which no result reaches half a step. */
#define SPARSEC_LARGE_SUM (1 << 28)

/* exponential * reciprocal, both in Q0.31, shifted to the right, is a probability in steps of 1/256. */
typedef struct
{
    int32_t reciprocal;
    int32_t right;
} sparsec_share;

static inline int32_t sparsec_times_power_of_two(const int32_t value, const int32_t exponent)
{
    const int32_t most = (1 << (31 - exponent)) - 1;
    if (value > most)
    {
        return NN_Q31_MAX;
    }
    return value < -most ? NN_Q31_MIN : value * (1 << exponent);
}

/* 1 / (1 + x) of x from 0 to 1, all in Q0.31: what CMSIS-NN's arm_nn_one_over_one_plus_x_for_x_in_0_1 gives, which shifts
 * negative numbers left. */
static inline int32_t sparsec_one_over_one_plus(const int32_t value)
{
    const int32_t half = (int32_t)(((int64_t)value + NN_Q31_MAX + 1) / 2);
    int32_t x = 1515870810 + MUL_SAT(half, -1010580540);
    for (int32_t i = 0; i < 3; i++)
    {
        x += sparsec_times_power_of_two(MUL_SAT(x, (1 << 29) - MUL_SAT(half, x)), 2);
    }
    return sparsec_times_power_of_two(x, 1);
}

/* Of a sum above 0 and below SPARSEC_LARGE_SUM. */
static inline sparsec_share sparsec_share_of(const int32_t sum)
{
    const int32_t headroom = (int32_t)CLZ((uint32_t)sum);
    const int32_t rest = (int32_t)(((uint32_t)sum << headroom) ^ 0x80000000U);
    return (sparsec_share){sparsec_one_over_one_plus(rest), SPARSEC_SUM_BITS + 23 - headroom};
}

/* A probability, at most 255, of an exponential that is not negative. */
static inline int32_t sparsec_probability(const int32_t exponential, const sparsec_share share)
{
    const int64_t product = ((int64_t)exponential * share.reciprocal + (1 << 30)) >> 31;
    const int64_t result = (product + ((int64_t)1 << (share.right - 1))) >> share.right;
    return result > 255 ? 255 : (int32_t)result;
}

#endif
