/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The kernels that a strip is done by, in the worst order that is allowed: all of the output is written, with bytes far
 * from those that were there, before any of the input is read.
 *
 * The sources under test are compiled with arm_x defined as worst_arm_x.
 */

#undef arm_convolve_s8
#undef arm_convolve_wrapper_s8
#undef arm_depthwise_conv_wrapper_s8
#undef sparsec_convolve_packed_s8
#undef sparsec_convolve_delta8_s8

#include "arm_nnfunctions.h"
#include "sparsec.h"

#include <stdlib.h>
#include <string.h>

/* A buffer for the real output, which is spoiled. */
static int8_t *spoil(const cmsis_nn_dims *dims, int8_t *output)
{
    const int32_t size = dims->h * dims->w * dims->c;
    for (int32_t i = 0; i < size; i++)
    {
        output[i] = output[i] < 0 ? 127 : -128;
    }
    return malloc((size_t)size);
}

static void deliver(const cmsis_nn_dims *dims, int8_t *output, int8_t *real)
{
    memcpy(output, real, (size_t)(dims->h * dims->w * dims->c));
    free(real);
}

/* A function of CMSIS-NN: its parameters but the last two, and what it is called with. */
#define WORST(function, parameters, arguments)                 \
    arm_cmsis_nn_status worst_##function parameters;           \
    arm_cmsis_nn_status worst_##function parameters            \
    {                                                          \
        int8_t *const real = spoil(output_dims, output);       \
        const arm_cmsis_nn_status status = function arguments; \
        deliver(output_dims, output, real);                    \
        return status;                                         \
    }

#define CONVOLUTION(function, params_type)                        \
    WORST(function,                                               \
          (const cmsis_nn_context *ctx,                           \
           const params_type *params,                             \
           const cmsis_nn_per_channel_quant_params *quant_params, \
           const cmsis_nn_dims *input_dims,                       \
           const int8_t *input,                                   \
           const cmsis_nn_dims *filter_dims,                      \
           const int8_t *filter,                                  \
           const cmsis_nn_dims *bias_dims,                        \
           const int32_t *bias,                                   \
           const cmsis_nn_dims *output_dims,                      \
           int8_t *output),                                       \
          (ctx, params, quant_params, input_dims, input, filter_dims, filter, bias_dims, bias, output_dims, real))

CONVOLUTION(arm_convolve_s8, cmsis_nn_conv_params)
CONVOLUTION(arm_convolve_wrapper_s8, cmsis_nn_conv_params)
CONVOLUTION(arm_depthwise_conv_wrapper_s8, cmsis_nn_dw_conv_params)

/* A function of the runtime. */
#define WORST_OF_OURS(function, parameters, arguments)   \
    void worst_##function parameters;                    \
    void worst_##function parameters                     \
    {                                                    \
        int8_t *const real = spoil(output_dims, output); \
        function arguments;                              \
        deliver(output_dims, output, real);              \
    }

WORST_OF_OURS(sparsec_convolve_packed_s8,
              (const cmsis_nn_context *ctx,
               const cmsis_nn_conv_params *params,
               const cmsis_nn_dims *input_dims,
               const int8_t *input,
               const cmsis_nn_dims *filter_dims,
               const int32_t *rows,
               const cmsis_nn_dims *output_dims,
               int8_t *output),
              (ctx, params, input_dims, input, filter_dims, rows, output_dims, real))
WORST_OF_OURS(sparsec_convolve_delta8_s8,
              (const cmsis_nn_context *ctx,
               const cmsis_nn_conv_params *params,
               const cmsis_nn_per_channel_quant_params *quant_params,
               const cmsis_nn_dims *input_dims,
               const int8_t *input,
               const cmsis_nn_dims *filter_dims,
               const uint8_t *entries,
               const uint16_t *counts,
               const int32_t *bias,
               const cmsis_nn_dims *output_dims,
               int8_t *output),
              (ctx, params, quant_params, input_dims, input, filter_dims, entries, counts, bias, output_dims, real))
