/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Convolution with weights in the delta8 format strip by strip.
 */

#include "sparsec.h"
#include "sparsec_strips.h"

void sparsec_convolve_delta8_strips_s8(const int32_t strip,
                                       const cmsis_nn_context *ctx,
                                       const cmsis_nn_conv_params *conv_params,
                                       const cmsis_nn_per_channel_quant_params *quant_params,
                                       const cmsis_nn_dims *input_dims,
                                       const int8_t *input,
                                       const cmsis_nn_dims *filter_dims,
                                       const uint8_t *entries,
                                       const uint16_t *counts,
                                       const int32_t *bias,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output)
{
    const sparsec_strips layer = sparsec_strips_of(strip,
                                                   &conv_params->stride,
                                                   &conv_params->padding,
                                                   conv_params->dilation.h,
                                                   filter_dims,
                                                   input_dims,
                                                   input,
                                                   output_dims,
                                                   output);
    const int32_t strips = sparsec_strip_count(&layer);
    cmsis_nn_conv_params params = *conv_params;
    for (int32_t i = 0; i < strips; i++)
    {
        const sparsec_strip part = sparsec_next_strip(&layer, i);
        params.padding.h = part.padding;
        sparsec_convolve_delta8_s8(ctx,
                                   &params,
                                   quant_params,
                                   &part.input_dims,
                                   part.input,
                                   filter_dims,
                                   entries,
                                   counts,
                                   bias,
                                   &part.output_dims,
                                   part.output);
    }
}
