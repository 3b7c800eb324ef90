/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * arm_convolve_s8 as headers declare it: with UPSCALED as those from v7 on, else as those before. What is called is
 * CMSIS-NN's wrapper, whose prototype never changed.
 *
 * The source under test is compiled with arm_convolve_s8 defined as shaped_convolve_s8, and so is the header.
 */

#include "arm_nnfunctions.h"

#include <stddef.h>

arm_cmsis_nn_status shaped_convolve_s8(const cmsis_nn_context *ctx,
                                       const cmsis_nn_conv_params *conv_params,
                                       const cmsis_nn_per_channel_quant_params *quant_params,
                                       const cmsis_nn_dims *input_dims,
                                       const int8_t *input,
                                       const cmsis_nn_dims *filter_dims,
                                       const int8_t *filter,
                                       const cmsis_nn_dims *bias_dims,
                                       const int32_t *bias,
#if defined(UPSCALED)
                                       const cmsis_nn_dims *upscale_dims,
#endif
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output)
{
#if defined(UPSCALED)
    if (upscale_dims != NULL)
    {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
#endif
    return arm_convolve_wrapper_s8(ctx,
                                   conv_params,
                                   quant_params,
                                   input_dims,
                                   input,
                                   filter_dims,
                                   filter,
                                   bias_dims,
                                   bias,
                                   output_dims,
                                   output);
}
