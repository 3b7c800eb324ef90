/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_arch.h"
#include "sparsec_broadcast.h"

#include <stddef.h>

static SPARSEC_NOINLINE void smaller_row(const void *numbers,
                                         const int8_t *row_1,
                                         const int32_t step_1,
                                         const int8_t *row_2,
                                         const int32_t step_2,
                                         const int32_t size,
                                         int8_t *output)
{
    (void)numbers;
    for (int32_t i = 0; i < size; i++)
    {
        output[i] = *row_1 < *row_2 ? *row_1 : *row_2;
        row_1 += step_1;
        row_2 += step_2;
    }
}

void sparsec_minimum_s8(const cmsis_nn_dims *input_1_dims,
                        const int8_t *input_1,
                        const cmsis_nn_dims *input_2_dims,
                        const int8_t *input_2,
                        int8_t *output)
{
    sparsec_each_row_of_two(smaller_row, NULL, input_1_dims, input_1, input_2_dims, input_2, output);
}
