/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution strip by strip by CMSIS-NN.
 */

#include "arm_nnfunctions.h"
#include "sparsec.h"
#include "sparsec_strips.h"

arm_cmsis_nn_status sparsec_depthwise_conv_strips_s8(const int32_t strip,
                                                     const cmsis_nn_context *ctx,
                                                     const cmsis_nn_dw_conv_params *dw_conv_params,
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
                                                   &dw_conv_params->stride,
                                                   &dw_conv_params->padding,
                                                   dw_conv_params->dilation.h,
                                                   filter_dims,
                                                   input_dims,
                                                   input,
                                                   output_dims,
                                                   output);
    const int32_t strips = sparsec_strip_count(&layer);
    cmsis_nn_dw_conv_params params = *dw_conv_params;
    arm_cmsis_nn_status status = ARM_CMSIS_NN_SUCCESS;
    for (int32_t i = 0; i < strips && status == ARM_CMSIS_NN_SUCCESS; i++)
    {
        const sparsec_strip part = sparsec_next_strip(&layer, i);
        params.padding.h = part.padding;
        status = arm_depthwise_conv_wrapper_s8(ctx,
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
