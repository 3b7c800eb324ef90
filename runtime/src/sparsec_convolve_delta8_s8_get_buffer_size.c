/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

int32_t sparsec_convolve_delta8_s8_get_buffer_size(const cmsis_nn_dims *input_dims, const cmsis_nn_dims *filter_dims)
{
    return 16 * filter_dims->h * filter_dims->w * input_dims->c;
}
