/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_depthwise_3x3.h"

int32_t sparsec_depthwise_convolve_3x3_s8_get_buffer_size(const cmsis_nn_dw_conv_params *dw_conv_params,
                                                          const cmsis_nn_dims *input_dims,
                                                          const cmsis_nn_dims *output_dims)
{
    const int32_t columns = sparsec_depthwise_3x3_columns(dw_conv_params, input_dims, output_dims);
    const int32_t shared = sparsec_depthwise_3x3_shares(dw_conv_params, input_dims, output_dims);
    return 8 * (DEPTHWISE_3X3_LANES * columns + shared);
}
