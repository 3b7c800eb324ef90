/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_packed_rows.h"

int32_t sparsec_convolve_packed_s8_get_buffer_size(const cmsis_nn_dims *input_dims,
                                                   const cmsis_nn_dims *filter_dims,
                                                   const int32_t *rows)
{
    sparsec_packed_header header;
    memcpy(&header, rows, sizeof(header));
    return 4 * filter_dims->h * input_dims->c * header.row_words + (input_dims->c + 3) / 4 * 4;
}
