/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

int32_t sparsec_depthwise_convolve_lanes_s8_get_buffer_size(const cmsis_nn_dw_conv_params *dw_conv_params,
                                                            const cmsis_nn_dims *filter_dims,
                                                            const cmsis_nn_dims *output_dims)
{
    const int32_t columns = (output_dims->w - 1) * dw_conv_params->stride.w + filter_dims->w;
    return 16 * columns * filter_dims->h;
}
