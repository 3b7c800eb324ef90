/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_bands.h"

int32_t sparsec_convolve_runs_s8_get_buffer_size(const cmsis_nn_conv_params *conv_params,
                                                 const cmsis_nn_dims *input_dims,
                                                 const cmsis_nn_dims *filter_dims,
                                                 const int32_t packed,
                                                 const cmsis_nn_dims *output_dims)
{
    const int32_t band = sparsec_is_padded(conv_params, input_dims, filter_dims, output_dims)
                             ? sparsec_band_bytes(conv_params, input_dims, filter_dims, output_dims)
                             : 0;
    const int32_t size = band + (packed ? SPARSEC_QUAD * filter_dims->h * filter_dims->w * filter_dims->c : 0);
    return size < SPARSEC_LEAST_SCRATCH ? SPARSEC_LEAST_SCRATCH : size;
}
