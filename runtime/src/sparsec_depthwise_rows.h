/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the files of sparsec_depthwise_convolve_delta8_s8 share. sparsec/layouts/depthwise_rows.py writes the stream and
 * proves that no accumulator of a narrow row leaves its field.
 */

#ifndef SPARSEC_DEPTHWISE_ROWS_H
#define SPARSEC_DEPTHWISE_ROWS_H

#include "sparsec_packed_rows.h"

/* The start of a stream. */
typedef struct
{
    uint16_t row_words;
    uint16_t phase_words;
    uint8_t transposed;
    uint8_t pairs_inner;
    uint16_t unused;
} sparsec_depthwise_header;

/* The start of a row. */
typedef struct
{
    int32_t bias;
    int32_t multiplier;
    int8_t shift;
    uint8_t triples;
    uint16_t counts; /* DEPTHWISE_SINGLES, and DEPTHWISE_NARROW */
} sparsec_depthwise_row;

#define DEPTHWISE_SINGLES 0x7fff
#define DEPTHWISE_NARROW 0x8000

/* One axis of the image; distances in bytes. */
typedef struct
{
    int32_t input, output, kernel;
    int32_t stride, padding, dilation;
    int32_t input_step, output_step;
    int32_t count;   /* Pairs along it, or output pixels if pairs lie along the other */
    int32_t partner; /* Output pixels from one to its partner */
} sparsec_depthwise_axis;

typedef struct
{
    sparsec_depthwise_axis inner, outer;
    int32_t row_words, phase_words, rows;
} sparsec_depthwise_plane;

/* Words of a row of the plane whose first, second or both pixels are inside the image. */
typedef struct
{
    int32_t input; /* Bytes from the first pixel of the image to the (first) one of the first word */
    int32_t word;  /* Bytes from the start of the plane */
    uint16_t count;
    uint16_t inside; /* 0 both, 1 the first, 2 the second */
} sparsec_depthwise_segment;

/* Up to PACKED_STRIP words next to each other. */
typedef struct
{
    int32_t word;   /* Bytes from the start of the plane */
    int32_t output; /* Bytes from the first pixel of the output */
} sparsec_depthwise_strip;

/* The geometry of a layer. */
static inline sparsec_depthwise_plane sparsec_depthwise_plane_of(const cmsis_nn_dw_conv_params *params,
                                                                 const cmsis_nn_dims *input,
                                                                 const cmsis_nn_dims *filter,
                                                                 const cmsis_nn_dims *output,
                                                                 const sparsec_depthwise_header *header)
{
    sparsec_depthwise_axis x = {0};
    sparsec_depthwise_axis y = {0};
    sparsec_depthwise_plane plane;

    x.input = input->w;
    x.output = output->w;
    x.kernel = filter->w;
    x.stride = params->stride.w;
    x.padding = params->padding.w;
    x.dilation = params->dilation.w;
    x.input_step = input->c;
    x.output_step = output->c;
    y.input = input->h;
    y.output = output->h;
    y.kernel = filter->h;
    y.stride = params->stride.h;
    y.padding = params->padding.h;
    y.dilation = params->dilation.h;
    y.input_step = input->w * input->c;
    y.output_step = output->w * output->c;
    plane.inner = header->transposed ? y : x;
    plane.outer = header->transposed ? x : y;
    plane.inner.count = header->pairs_inner ? (plane.inner.output + 1) / 2 : plane.inner.output;
    plane.outer.count = header->pairs_inner ? plane.outer.output : (plane.outer.output + 1) / 2;
    plane.inner.partner = plane.inner.output - plane.inner.count;
    plane.outer.partner = plane.outer.output - plane.outer.count;
    plane.row_words = header->row_words;
    plane.phase_words = header->phase_words;
    plane.rows = (plane.outer.count - 1) * plane.outer.stride + (plane.outer.kernel - 1) * plane.outer.dilation + 1;
    return plane;
}

/* The most segments of a plane. */
static inline int32_t sparsec_depthwise_segments(const sparsec_depthwise_plane *plane, const int32_t pairs_inner)
{
    return plane->rows * (plane->row_words / plane->phase_words) * (pairs_inner ? 3 : 1);
}

#endif
