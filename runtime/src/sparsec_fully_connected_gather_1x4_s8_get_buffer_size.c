/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

int32_t sparsec_fully_connected_gather_1x4_s8_get_buffer_size(const cmsis_nn_dims *filter_dims)
{
    return filter_dims->n;
}
