/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Convolution strip by strip by CMSIS-NN.
 */

#include "arm_nnfunctions.h"
#include "sparsec.h"
#include "sparsec_strips.h"

#include <stddef.h>

typedef arm_cmsis_nn_status convolve_s8(const cmsis_nn_context *ctx,
                                        const cmsis_nn_conv_params *conv_params,
                                        const cmsis_nn_per_channel_quant_params *quant_params,
                                        const cmsis_nn_dims *input_dims,
                                        const int8_t *input,
                                        const cmsis_nn_dims *filter_dims,
                                        const int8_t *filter,
                                        const cmsis_nn_dims *bias_dims,
                                        const int32_t *bias,
                                        const cmsis_nn_dims *output_dims,
                                        int8_t *output);

/* From CMSIS-NN v7 on it serves transposed convolutions too, of which it takes one parameter more. */
typedef arm_cmsis_nn_status convolve_upscaled_s8(const cmsis_nn_context *ctx,
                                                 const cmsis_nn_conv_params *conv_params,
                                                 const cmsis_nn_per_channel_quant_params *quant_params,
                                                 const cmsis_nn_dims *input_dims,
                                                 const int8_t *input,
                                                 const cmsis_nn_dims *filter_dims,
                                                 const int8_t *filter,
                                                 const cmsis_nn_dims *bias_dims,
                                                 const int32_t *bias,
                                                 const cmsis_nn_dims *upscale_dims,
                                                 const cmsis_nn_dims *output_dims,
                                                 int8_t *output);

typedef void any_function(void);

static inline arm_cmsis_nn_status not_upscaled(const cmsis_nn_context *ctx,
                                               const cmsis_nn_conv_params *conv_params,
                                               const cmsis_nn_per_channel_quant_params *quant_params,
                                               const cmsis_nn_dims *input_dims,
                                               const int8_t *input,
                                               const cmsis_nn_dims *filter_dims,
                                               const int8_t *filter,
                                               const cmsis_nn_dims *bias_dims,
                                               const int32_t *bias,
                                               const cmsis_nn_dims *output_dims,
                                               int8_t *output)
{
    /* Not const: compilers look into constants, and warn of the header whose functions have no such parameter. */
    convolve_upscaled_s8 *upscaled = (convolve_upscaled_s8 *)(any_function *)arm_convolve_s8;
    return upscaled(ctx,
                    conv_params,
                    quant_params,
                    input_dims,
                    input,
                    filter_dims,
                    filter,
                    bias_dims,
                    bias,
                    NULL,
                    output_dims,
                    output);
}

/* arm_convolve_s8 as the header in use declares it. What is not chosen is compiled too, hence any_function. */
#define CONVOLVE_S8                                                    \
    _Generic(&arm_convolve_s8,                                         \
        convolve_s8 *: (convolve_s8 *)(any_function *)arm_convolve_s8, \
        convolve_upscaled_s8 *: not_upscaled)

arm_cmsis_nn_status sparsec_convolve_strips_s8(const int32_t strip,
                                               const cmsis_nn_context *ctx,
                                               const cmsis_nn_conv_params *conv_params,
                                               const cmsis_nn_per_channel_quant_params *quant_params,
                                               const cmsis_nn_dims *input_dims,
                                               const int8_t *input,
                                               const cmsis_nn_dims *filter_dims,
                                               const int8_t *filter,
                                               const cmsis_nn_dims *bias_dims,
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
    /* CMSIS-NN's wrapper would choose for each strip, whose padding and height are not the layer's, and its functions for
     * pixels and rows know no padding below. */
    const bool point = filter_dims->h == 1 && filter_dims->w == 1 && conv_params->padding.h == 0 &&
                       conv_params->padding.w == 0 && conv_params->dilation.h == 1 && conv_params->dilation.w == 1;
    const int32_t strips = sparsec_strip_count(&layer);
    cmsis_nn_conv_params params = *conv_params;
    arm_cmsis_nn_status status = ARM_CMSIS_NN_SUCCESS;
    for (int32_t i = 0; i < strips && status == ARM_CMSIS_NN_SUCCESS; i++)
    {
        const sparsec_strip part = sparsec_next_strip(&layer, i);
        params.padding.h = part.padding;
        status = (point ? arm_convolve_wrapper_s8 : CONVOLVE_S8)(ctx,
                                                                 &params,
                                                                 quant_params,
                                                                 &part.input_dims,
                                                                 part.input,
                                                                 filter_dims,
                                                                 filter,
                                                                 bias_dims,
                                                                 bias,
                                                                 &part.output_dims,
                                                                 part.output);
    }
    return status;
}
