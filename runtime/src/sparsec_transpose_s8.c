/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_copy.h"

void sparsec_transpose_s8(const cmsis_nn_tile *outer_strides,
                          const cmsis_nn_dims *input_strides,
                          const int8_t *input,
                          const cmsis_nn_tile *outer_dims,
                          const cmsis_nn_dims *output_dims,
                          int8_t *output)
{
    sparsec_strided_copy(outer_strides, input_strides, input, outer_dims, output_dims, output);
}
