/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A 1x1 convolution and the depthwise convolution behind it, by CMSIS-NN, row by row of the output: of the image between
 * them only the rows of one window exist.
 */

#include "arm_nnfunctions.h"
#include "sparsec.h"
#include "sparsec_strips.h"

#include <string.h>

arm_cmsis_nn_status sparsec_point_depthwise_s8(const cmsis_nn_context *ctx,
                                               const cmsis_nn_conv_params *conv_params,
                                               const cmsis_nn_per_channel_quant_params *conv_quant_params,
                                               const cmsis_nn_dims *input_dims,
                                               const int8_t *input,
                                               const int8_t *conv_filter,
                                               const int32_t *conv_bias,
                                               const cmsis_nn_dw_conv_params *dw_conv_params,
                                               const cmsis_nn_per_channel_quant_params *dw_quant_params,
                                               const cmsis_nn_dims *filter_dims,
                                               const int8_t *filter,
                                               const int32_t *bias,
                                               const cmsis_nn_dims *output_dims,
                                               int8_t *output)
{
    const int32_t channels = output_dims->c / dw_conv_params->ch_mult;
    const int32_t row_bytes = input_dims->w * channels;
    const int32_t reach = sparsec_reach(filter_dims->h, dw_conv_params->dilation.h);
    const int32_t most = sparsec_between(0, reach, input_dims->h);
    const int32_t line_bytes = (most * row_bytes + 7) / 8 * 8;
    const cmsis_nn_dims conv_filter_dims = {channels, 1, 1, input_dims->c};
    const cmsis_nn_dims conv_bias_dims = {1, 1, 1, channels};
    const cmsis_nn_dims bias_dims = {1, 1, 1, output_dims->c};
    const cmsis_nn_dims row_dims = {1, 1, output_dims->w, output_dims->c};
    const cmsis_nn_context none = {NULL, 0};
    int8_t *const lines = (int8_t *)ctx->buf;
    const cmsis_nn_context rest = {lines + line_bytes, ctx->size - line_bytes};
    cmsis_nn_dw_conv_params params = *dw_conv_params;
    /* The rows of the image between that lie in `lines`. */
    int32_t first = 0;
    int32_t end = 0;
    arm_cmsis_nn_status status = ARM_CMSIS_NN_SUCCESS;
    for (int32_t y = 0; y < output_dims->h && status == ARM_CMSIS_NN_SUCCESS; y++)
    {
        const int32_t top = y * dw_conv_params->stride.h - dw_conv_params->padding.h;
        const int32_t start = sparsec_between(0, top, input_dims->h);
        const int32_t stop = sparsec_between(start, top + reach, input_dims->h);
        const int32_t kept = end > start ? end - start : 0;
        const int32_t missing = stop - start - kept;
        for (int32_t i = 0; i < kept && start > first; i++)
        {
            memcpy(lines + i * row_bytes, lines + (start - first + i) * row_bytes, (size_t)row_bytes);
        }
        if (missing > 0)
        {
            const cmsis_nn_dims part_dims = {1, missing, input_dims->w, input_dims->c};
            const cmsis_nn_dims lines_dims = {1, missing, input_dims->w, channels};
            status = arm_convolve_wrapper_s8(&none,
                                             conv_params,
                                             conv_quant_params,
                                             &part_dims,
                                             input + (start + kept) * input_dims->w * input_dims->c,
                                             &conv_filter_dims,
                                             conv_filter,
                                             &conv_bias_dims,
                                             conv_bias,
                                             &lines_dims,
                                             lines + kept * row_bytes);
        }
        first = start;
        end = stop;
        if (status == ARM_CMSIS_NN_SUCCESS)
        {
            const cmsis_nn_dims window_dims = {1, stop - start, input_dims->w, channels};
            params.padding.h = top < 0 ? -top : 0;
            status = arm_depthwise_conv_wrapper_s8(&rest,
                                                   &params,
                                                   dw_quant_params,
                                                   &window_dims,
                                                   lines,
                                                   filter_dims,
                                                   filter,
                                                   &bias_dims,
                                                   bias,
                                                   &row_dims,
                                                   output);
            output += output_dims->w * output_dims->c;
        }
    }
    return status;
}
