/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_softmax_row.h"

#include <string.h>

/* exp of -1/4, -1/2, -1, -2, -4, -8 and -16 in Q0.31. */
static const int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};

/*
 * exp of a distance from the maximum, at or below 0, in Q0.31: what CMSIS-NN's arm_nn_exp_on_negative_values gives, which
 * shifts negative numbers left.
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
        for (int32_t i = 0; i < row_size && sum < SPARSEC_LARGE_SUM; i++)
        {
            const int32_t distance = input[i] - max;
            if (distance >= diff_min)
            {
                sum += DIV_POW2(exponential(distance, multiplier, shift), SPARSEC_SUM_BITS);
            }
        }
        if (sum >= SPARSEC_LARGE_SUM)
        {
            memset(output, -128, (size_t)row_size);
        }
        else
        {
            const sparsec_share share = sparsec_share_of(sum);
            for (int32_t i = 0; i < row_size; i++)
            {
                const int32_t distance = input[i] - max;
                int32_t result = 0;
                if (distance >= diff_min)
                {
                    result = sparsec_probability(exponential(distance, multiplier, shift), share);
                }
                output[i] = (int8_t)(result - 128);
            }
        }
        input += row_size;
        output += row_size;
    }
}
