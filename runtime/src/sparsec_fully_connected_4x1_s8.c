/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_column_blocks.h"

void sparsec_fully_connected_4x1_s8(const cmsis_nn_fc_params *fc_params,
                                    const int32_t saturating,
                                    const int8_t *input,
                                    const cmsis_nn_dims *filter_dims,
                                    const int32_t *rows,
                                    const int32_t *groups,
                                    const cmsis_nn_dims *output_dims,
                                    int8_t *output)
{
    const place_t place = {rows, (const uint8_t *)groups};
    if (filter_dims->n > 256)
    {
        fully_connected(fc_params, saturating, input, place, output, output_dims->c, true, false);
    }
    else
    {
        fully_connected(fc_params, saturating, input, place, output, output_dims->c, false, false);
    }
}
