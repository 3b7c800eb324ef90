/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A layer strip by strip: a few rows of the output at a time, each strip by a kernel that sees no more of the input than
 * the rows which the strip reads. Where the output lies before the input, strips go from the first to the last, else from
 * the last to the first, so that an output may lie over rows of the input which no later strip reads: how far is what
 * sparsec/planning/overlap.py says. Within a strip nothing overlaps.
 */

#ifndef SPARSEC_STRIPS_H
#define SPARSEC_STRIPS_H

#include "arm_nn_types.h"

#include <stdbool.h>
#include <stdint.h>

/* A layer whose window moves over the rows of an image. */
typedef struct
{
    cmsis_nn_dims input_dims;
    const int8_t *input;
    cmsis_nn_dims output_dims;
    int8_t *output;
    int32_t stride;  /* Rows */
    int32_t padding; /* Rows above the image */
    int32_t reach;   /* Rows from the first to the last of a window */
    int32_t rows;    /* Of the output in a strip */
} sparsec_strips;

/* One strip, as a layer of its own. Padding below follows from the dimensions. */
typedef struct
{
    cmsis_nn_dims input_dims;
    const int8_t *input;
    cmsis_nn_dims output_dims;
    int8_t *output;
    int32_t padding;
} sparsec_strip;

/* Rows of a window with `kernel` taps, the rows between them included. */
static inline int32_t sparsec_reach(const int32_t kernel, const int32_t dilation)
{
    return (kernel - 1) * dilation + 1;
}

/* An image as one column of all its pixels, for layers that know no neighbours. */
static inline cmsis_nn_dims sparsec_column(const cmsis_nn_dims *dims)
{
    const cmsis_nn_dims column = {1, dims->h * dims->w, 1, dims->c};
    return column;
}

/* Whether each output pixel comes from the one input pixel in its place. */
static inline bool sparsec_is_pixelwise(const cmsis_nn_dims *filter_dims,
                                        const cmsis_nn_tile *stride,
                                        const cmsis_nn_tile *padding,
                                        const cmsis_nn_dims *input_dims,
                                        const cmsis_nn_dims *output_dims)
{
    return filter_dims->h == 1 && filter_dims->w == 1 && stride->h == 1 && stride->w == 1 && padding->h == 0 &&
           padding->w == 0 && input_dims->h == output_dims->h && input_dims->w == output_dims->w;
}

/* The layer of a kernel with these arguments. A pixelwise one is a column, of which a strip is any number of pixels. */
static inline sparsec_strips sparsec_strips_of(const int32_t rows,
                                               const cmsis_nn_tile *stride,
                                               const cmsis_nn_tile *padding,
                                               const int32_t dilation,
                                               const cmsis_nn_dims *filter_dims,
                                               const cmsis_nn_dims *input_dims,
                                               const int8_t *input,
                                               const cmsis_nn_dims *output_dims,
                                               int8_t *output)
{
    const bool pixelwise = sparsec_is_pixelwise(filter_dims, stride, padding, input_dims, output_dims);
    const sparsec_strips layer = {
        .input_dims = pixelwise ? sparsec_column(input_dims) : *input_dims,
        .input = input,
        .output_dims = pixelwise ? sparsec_column(output_dims) : *output_dims,
        .output = output,
        .stride = stride->h,
        .padding = padding->h,
        .reach = sparsec_reach(filter_dims->h, dilation),
        .rows = rows,
    };
    return layer;
}

static inline int32_t sparsec_strip_count(const sparsec_strips *layer)
{
    return (layer->output_dims.h + layer->rows - 1) / layer->rows;
}

static inline int32_t sparsec_between(const int32_t least, const int32_t value, const int32_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* The strip that is done after `done` others. */
static inline sparsec_strip sparsec_next_strip(const sparsec_strips *layer, const int32_t done)
{
    const bool ascending = (uintptr_t)layer->output <= (uintptr_t)layer->input;
    const int32_t first = layer->rows * (ascending ? done : sparsec_strip_count(layer) - 1 - done);
    const int32_t rows = sparsec_between(1, layer->output_dims.h - first, layer->rows);
    /* The rows of the input, without those of padding. */
    const int32_t top = first * layer->stride - layer->padding;
    const int32_t start = sparsec_between(0, top, layer->input_dims.h);
    const int32_t stop = sparsec_between(start, top + (rows - 1) * layer->stride + layer->reach, layer->input_dims.h);
    sparsec_strip strip = {
        .input_dims = layer->input_dims,
        .input = layer->input + start * layer->input_dims.w * layer->input_dims.c,
        .output_dims = layer->output_dims,
        .output = layer->output + first * layer->output_dims.w * layer->output_dims.c,
        .padding = top < 0 ? -top : 0,
    };
    strip.input_dims.h = stop - start;
    strip.output_dims.h = rows;
    return strip;
}

#endif
