/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the files of sparsec_depthwise_convolve_3x3_s8 share. sparsec/layouts/depthwise_3x3.py writes the stream and proves
 * for each row that its way of ending is exact.
 *
 * A word holds the inputs of one channel in two rows of the image, one below the other, as its lower and upper half; a
 * column of a plane holds the word of one pair of rows in its even, and that of the next one in its odd place, by turns.
 */

#ifndef SPARSEC_DEPTHWISE_3X3_H
#define SPARSEC_DEPTHWISE_3X3_H

#include "sparsec_arch.h"

/* Channels whose inputs are widened together, the bytes of a word of the image. */
#define DEPTHWISE_3X3_LANES 4
/* The shift to the right of all QUICK rows: their weights and biases are scaled so that it is the same. */
#define DEPTHWISE_3X3_SHIFT 12

/* The start of a group of up to four channels: how many rows of each kind follow, in this order, and their lanes in two
 * bits each, the first row's lowest. */
typedef struct
{
    uint8_t quick;
    uint8_t any;
    uint8_t plain;
    uint8_t lanes;
} sparsec_depthwise_3x3_group;

/* One channel. The weights of a column as halves, the lower first: those of rows 0 and 1, those of rows 1 and 2. */
typedef struct
{
    int16_t weights[3][4];
    int32_t bias;
    int32_t multiplier;
    int32_t addend; /* Of plain rows the shift, as CMSIS-NN has it */
} sparsec_depthwise_3x3_row;

/* Whether the first column of padding of a plane is the last one of the plane before. */
static inline bool sparsec_depthwise_3x3_shares(const cmsis_nn_dw_conv_params *params,
                                                const cmsis_nn_dims *input,
                                                const cmsis_nn_dims *output)
{
    const int32_t last = (output->w - 1) * params->stride.w + 2 - params->padding.w;
    return params->padding.w > 0 && last >= input->w;
}

/* Columns from one plane to the next. */
static inline int32_t sparsec_depthwise_3x3_columns(const cmsis_nn_dw_conv_params *params,
                                                    const cmsis_nn_dims *input,
                                                    const cmsis_nn_dims *output)
{
    return (output->w - 1) * params->stride.w + 3 - sparsec_depthwise_3x3_shares(params, input, output);
}

#if defined(ARM_MATH_DSP) && defined(__GNUC__) && defined(__thumb2__)
    #define DEPTHWISE_3X3_ASSEMBLY 1
#endif

#endif
