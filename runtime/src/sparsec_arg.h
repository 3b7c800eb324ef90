/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Where the largest or smallest byte along the middle one of three axes is.
 */

#ifndef SPARSEC_ARG_H
#define SPARSEC_ARG_H

#include "sparsec.h"

#include <stdbool.h>

/* Of `count` bytes that are `step` apart; of several equal ones the first. */
static inline int32_t
sparsec_first_extreme(const int8_t *bytes, const int32_t count, const int32_t step, const bool largest)
{
    int32_t found = 0;
    int8_t extreme = *bytes;
    for (int32_t i = 1; i < count; i++)
    {
        bytes += step;
        if (largest ? *bytes > extreme : *bytes < extreme)
        {
            extreme = *bytes;
            found = i;
        }
    }
    return found;
}

/* Of all: `input_dims` are [outer, count, 1, inner]. */
static inline void
sparsec_first_extremes(const cmsis_nn_dims *input_dims, const int8_t *input, int32_t *output, const bool largest)
{
    const int32_t count = input_dims->h * input_dims->w;
    const int32_t inner = input_dims->c;
    for (int32_t n = 0; n < input_dims->n; n++)
    {
        for (int32_t c = 0; c < inner; c++)
        {
            *output++ = sparsec_first_extreme(input + c, count, inner, largest);
        }
        input += count * inner;
    }
}

#endif
