/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The convolutions that take four pixels at a time: bands of rows of the output, and what is copied for one.
 */

#ifndef SPARSEC_BANDS_H
#define SPARSEC_BANDS_H

#include "arm_nn_types.h"

#include <stdbool.h>
#include <stdint.h>

#define SPARSEC_QUAD 4

/* Every call has some, though windows inside the image need none. */
#define SPARSEC_LEAST_SCRATCH 4

/* Rows of the output that are done at once where the input is copied: all but the last rows have whole quads then. */
static inline int32_t sparsec_band_height(const cmsis_nn_dims *output_dims)
{
    const int32_t rows = output_dims->w % 4 == 0 ? 1 : output_dims->w % 2 == 0 ? 2 : 4;
    return rows < output_dims->h ? rows : output_dims->h;
}

/* Rows (or columns) of the input, padding included, that so many outputs read. */
static inline int32_t
sparsec_reach_of(const int32_t outputs, const int32_t stride, const int32_t kernel, const int32_t dilation)
{
    return (outputs - 1) * stride + (kernel - 1) * dilation + 1;
}

/* Whether windows reach over a border. */
static inline bool sparsec_is_padded(const cmsis_nn_conv_params *conv_params,
                                     const cmsis_nn_dims *input_dims,
                                     const cmsis_nn_dims *filter_dims,
                                     const cmsis_nn_dims *output_dims)
{
    const cmsis_nn_tile stride = conv_params->stride;
    const cmsis_nn_tile dilation = conv_params->dilation;
    return conv_params->padding.h > 0 || conv_params->padding.w > 0 ||
           sparsec_reach_of(output_dims->h, stride.h, filter_dims->h, dilation.h) > input_dims->h ||
           sparsec_reach_of(output_dims->w, stride.w, filter_dims->w, dilation.w) > input_dims->w;
}

/* Columns of the image, or of a band. */
static inline int32_t sparsec_quad_columns(const cmsis_nn_conv_params *conv_params,
                                           const cmsis_nn_dims *input_dims,
                                           const cmsis_nn_dims *filter_dims,
                                           const cmsis_nn_dims *output_dims)
{
    return sparsec_is_padded(conv_params, input_dims, filter_dims, output_dims)
               ? sparsec_reach_of(output_dims->w, conv_params->stride.w, filter_dims->w, conv_params->dilation.w)
               : input_dims->w;
}

/* What the rows that a band reads take. */
static inline int32_t sparsec_band_bytes(const cmsis_nn_conv_params *conv_params,
                                         const cmsis_nn_dims *input_dims,
                                         const cmsis_nn_dims *filter_dims,
                                         const cmsis_nn_dims *output_dims)
{
    const int32_t height = sparsec_band_height(output_dims);
    return sparsec_reach_of(height, conv_params->stride.h, filter_dims->h, conv_params->dilation.h) *
           sparsec_quad_columns(conv_params, input_dims, filter_dims, output_dims) * input_dims->c;
}

#endif
