/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_arg.h"

void sparsec_arg_max_s8(const cmsis_nn_dims *input_dims, const int8_t *input, int32_t *output)
{
    sparsec_first_extremes(input_dims, input, output, true);
}
