/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_depthwise_rows.h"

int32_t sparsec_depthwise_convolve_delta8_s8_get_buffer_size(const cmsis_nn_dw_conv_params *dw_conv_params,
                                                             const cmsis_nn_dims *input_dims,
                                                             const cmsis_nn_dims *filter_dims,
                                                             const int32_t *rows,
                                                             const cmsis_nn_dims *output_dims)
{
    sparsec_depthwise_header header;
    memcpy(&header, rows, sizeof(header));
    const sparsec_depthwise_plane plane =
        sparsec_depthwise_plane_of(dw_conv_params, input_dims, filter_dims, output_dims, &header);
    const int32_t strips = plane.outer.count * ((plane.inner.count + PACKED_STRIP - 1) / PACKED_STRIP);
    return 4 * plane.rows * plane.row_words +
           (int32_t)sizeof(sparsec_depthwise_segment) * sparsec_depthwise_segments(&plane, header.pairs_inner) +
           (int32_t)sizeof(sparsec_depthwise_strip) * strips;
}
