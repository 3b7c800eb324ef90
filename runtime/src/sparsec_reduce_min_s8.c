/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_reduce.h"

void sparsec_reduce_min_s8(const cmsis_nn_dims *input_dims, const int8_t *input, int8_t *output)
{
    sparsec_reduce_to_extremes(input_dims, input, output, false);
}
