/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each row is needed once, so that the weights never exist as a whole: some rows are decoded, multiplied, and forgotten.
 */

#include "sparsec.h"

void sparsec_fully_connected_decoded_s8(const cmsis_nn_context *ctx,
                                        const cmsis_nn_fc_params *fc_params,
                                        const cmsis_nn_per_channel_quant_params *quant_params,
                                        const int8_t *input,
                                        const sparsec_encoded *weights,
                                        const sparsec_decoder decode,
                                        const int32_t rows,
                                        const int32_t *bias,
                                        const cmsis_nn_dims *output_dims,
                                        int8_t *output)
{
    uint16_t *const counts = (uint16_t *)ctx->buf;
    uint8_t *const entries = (uint8_t *)(counts + rows);
    cmsis_nn_per_channel_quant_params quant = *quant_params;
    sparsec_place place = {0, {0, 0, 0}};
    for (int32_t left = output_dims->c; left > 0; left -= rows)
    {
        const int32_t now = left < rows ? left : rows;
        const cmsis_nn_dims dims = {1, 1, 1, now};
        decode(weights, &place, now, entries, counts);
        sparsec_fully_connected_delta8_s8(fc_params, &quant, input, entries, counts, bias, &dims, output);
        quant.multiplier += now;
        quant.shift += now;
        bias += now;
        output += now;
    }
}
