/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Packed convolution strip by strip.
 */

#include "sparsec.h"
#include "sparsec_strips.h"

void sparsec_convolve_packed_strips_s8(const int32_t strip,
                                       const cmsis_nn_context *ctx,
                                       const cmsis_nn_conv_params *conv_params,
                                       const cmsis_nn_dims *input_dims,
                                       const int8_t *input,
                                       const cmsis_nn_dims *filter_dims,
                                       const int32_t *rows,
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
        sparsec_convolve_packed_s8(ctx,
                                   &params,
                                   &part.input_dims,
                                   part.input,
                                   filter_dims,
                                   rows,
                                   &part.output_dims,
                                   part.output);
    }
}
