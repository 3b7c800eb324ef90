/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_arch.h"

#include <string.h>

/* Bits of a sum of exponentials behind the point, less those of its int32. */
#define ACCUMULATOR_BITS 12

/* A sum of 512, above which no result reaches half a step. */
#define LARGE_SUM (1 << 28)

/* exp of -1/4, -1/2, -1, -2, -4, -8 and -16 in Q0.31. */
static const int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};

/*
 * exp of a distance from the maximum, at or below 0, in Q0.31. This and the next function give what CMSIS-NN's
 * arm_nn_exp_on_negative_values and arm_nn_one_over_one_plus_x_for_x_in_0_1 do, which shift negative numbers left.
 */
static int32_t exponential(const int32_t distance, const int32_t multiplier, const int32_t shift)
{
    const int32_t quarter = 1 << 24;
    const int32_t value = MUL_SAT(distance * (1 << shift), multiplier);
    const int32_t in_quarter = (value & (quarter - 1)) - quarter;
    const int32_t x = in_quarter * 32 + (1 << 28);
    const int32_t x2 = MUL_SAT(x, x);
    const int32_t third = MUL_SAT(DIV_POW2(MUL_SAT(x2, x2), 2) + MUL_SAT(x2, x), 715827883);
    int32_t result = 1895147668 + MUL_SAT(1895147668, x + DIV_POW2(third + x2, 1));
    for (int32_t quarters = (in_quarter - value) >> 24, i = 0; i < 7; i++)
    {
        if ((quarters >> i & 1) != 0)
        {
            result = MUL_SAT(result, powers[i]);
        }
    }
    return value == 0 ? NN_Q31_MAX : result;
}

static inline int32_t times_power_of_two(const int32_t value, const int32_t exponent)
{
    const int32_t most = (1 << (31 - exponent)) - 1;
    if (value > most)
    {
        return NN_Q31_MAX;
    }
    return value < -most ? NN_Q31_MIN : value * (1 << exponent);
}

/* 1 / (1 + x) of x from 0 to 1, all in Q0.31. */
static int32_t one_over_one_plus(const int32_t value)
{
    const int32_t half = (int32_t)(((int64_t)value + NN_Q31_MAX + 1) / 2);
    int32_t x = 1515870810 + MUL_SAT(half, -1010580540);
    for (int32_t i = 0; i < 3; i++)
    {
        x += times_power_of_two(MUL_SAT(x, (1 << 29) - MUL_SAT(half, x)), 2);
    }
    return times_power_of_two(x, 1);
}

static int8_t largest(const int8_t *row, const int32_t size)
{
    int8_t found = row[0];
    for (int32_t i = 1; i < size; i++)
    {
        found = row[i] > found ? row[i] : found;
    }
    return found;
}

void sparsec_softmax_s8(const int8_t *input,
                        const int32_t rows,
                        const int32_t row_size,
                        const int32_t multiplier,
                        const int32_t shift,
                        const int32_t diff_min,
                        int8_t *output)
{
    for (int32_t n = 0; n < rows; n++)
    {
        const int32_t max = largest(input, row_size);
        int32_t sum = 0;
        for (int32_t i = 0; i < row_size && sum < LARGE_SUM; i++)
        {
            const int32_t distance = input[i] - max;
            if (distance >= diff_min)
            {
                sum += DIV_POW2(exponential(distance, multiplier, shift), ACCUMULATOR_BITS);
            }
        }
        if (sum >= LARGE_SUM)
        {
            memset(output, -128, (size_t)row_size);
        }
        else
        {
            const int32_t headroom = (int32_t)CLZ((uint32_t)sum);
            const int32_t reciprocal = one_over_one_plus((int32_t)(((uint32_t)sum << headroom) ^ 0x80000000U));
            const int32_t right = ACCUMULATOR_BITS + 23 - headroom;
            const int64_t half = (int64_t)1 << (right - 1);
            for (int32_t i = 0; i < row_size; i++)
            {
                const int32_t distance = input[i] - max;
                int32_t result = -128;
                if (distance >= diff_min)
                {
                    const int32_t scaled = MUL_SAT(reciprocal, exponential(distance, multiplier, shift));
                    result = (int32_t)((scaled + half) >> right) - 128;
                }
                output[i] = (int8_t)(result > 127 ? 127 : result);
            }
        }
        input += row_size;
        output += row_size;
    }
}
