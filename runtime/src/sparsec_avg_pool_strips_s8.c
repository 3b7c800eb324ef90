/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Average pooling strip by strip by CMSIS-NN.
 */

#include "arm_nnfunctions.h"
#include "sparsec.h"
#include "sparsec_strips.h"

arm_cmsis_nn_status sparsec_avg_pool_strips_s8(const int32_t strip,
                                               const cmsis_nn_context *ctx,
                                               const cmsis_nn_pool_params *pool_params,
                                               const cmsis_nn_dims *input_dims,
                                               const int8_t *input,
                                               const cmsis_nn_dims *filter_dims,
                                               const cmsis_nn_dims *output_dims,
                                               int8_t *output)
{
    const sparsec_strips layer = sparsec_strips_of(strip,
                                                   &pool_params->stride,
                                                   &pool_params->padding,
                                                   1,
                                                   filter_dims,
                                                   input_dims,
                                                   input,
                                                   output_dims,
                                                   output);
    const int32_t strips = sparsec_strip_count(&layer);
    cmsis_nn_pool_params params = *pool_params;
    arm_cmsis_nn_status status = ARM_CMSIS_NN_SUCCESS;
    for (int32_t i = 0; i < strips && status == ARM_CMSIS_NN_SUCCESS; i++)
    {
        const sparsec_strip part = sparsec_next_strip(&layer, i);
        params.padding.h = part.padding;
        status =
            arm_avgpool_s8(ctx, &params, &part.input_dims, part.input, filter_dims, &part.output_dims, part.output);
    }
    return status;
}
