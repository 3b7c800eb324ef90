/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The kernels that the compiled networks call besides CMSIS-NN's own.
 */

/**
 * @file
 * @brief int8 kernels of the sparsec runtime.
 *
 * Common to all of them:
 * - Activations are int8, NHWC unless the kernel says otherwise, batch 1. Shapes, ranges and sizes were checked when the
 *   network was compiled: a kernel checks nothing, allocates nothing and keeps no state.
 * - Parameters are CMSIS-NN's: offsets are `input_offset = -zero point of the input` and `output_offset = zero point of
 *   the output`, a positive shift is a left shift, and rounding is CMSIS-NN's default double rounding.
 * - A `bias` has the input offset folded in, unless the kernel says otherwise: `bias[o] = layer bias[o] + input_offset *
 *   sum(weights of row o)`, so that the kernel multiplies the stored int8 inputs. It is never NULL. Every accumulator has
 *   to fit in 32 bits.
 * - Buffers must not overlap unless the kernel says so.
 */

#ifndef SPARSEC_H
#define SPARSEC_H

#include "arm_nn_types.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * @brief Bytes of scratch that sparsec_convolve_delta8_s8 needs: 16 * kernel height * kernel width * input channels, on
 *        every core.
 *
 * @param[in] input_dims   Input dimensions, `c` is read
 * @param[in] filter_dims  Filter dimensions, `h` and `w` are read
 * @return                 Size in bytes
 */
int32_t sparsec_convolve_delta8_s8_get_buffer_size(const cmsis_nn_dims *input_dims, const cmsis_nn_dims *filter_dims);

/**
 * @brief Convolution with weights in the delta8 format: any kernel, stride, padding and dilation, one group.
 *
 * Row o of the weights holds the columns (ky, kx, input channel) of output channel o as entries of two bytes: a step to
 * add to the column, which starts at 0, and an int8 weight. The rows follow each other.
 *
 * @param[in]  ctx           Scratch of sparsec_convolve_delta8_s8_get_buffer_size() bytes, aligned to 8 bytes
 * @param[in]  conv_params   Offsets, stride, padding, dilation and clamp; padding reads as -input_offset
 * @param[in]  quant_params  Multiplier and shift of each output channel
 * @param[in]  input_dims    Input dimensions [1, H, W, C_IN]
 * @param[in]  input         Input data
 * @param[in]  filter_dims   Filter dimensions [C_OUT, HK, WK, C_IN], `h` and `w` are read
 * @param[in]  entries       Entries of all rows
 * @param[in]  counts        Number of entries of each row
 * @param[in]  bias          Bias of each output channel, the input offset folded in
 * @param[in]  output_dims   Output dimensions [1, H, W, C_OUT]
 * @param[out] output        Output data
 */
void sparsec_convolve_delta8_s8(const cmsis_nn_context *ctx,
                                const cmsis_nn_conv_params *conv_params,
                                const cmsis_nn_per_channel_quant_params *quant_params,
                                const cmsis_nn_dims *input_dims,
                                const int8_t *input,
                                const cmsis_nn_dims *filter_dims,
                                const uint8_t *entries,
                                const uint16_t *counts,
                                const int32_t *bias,
                                const cmsis_nn_dims *output_dims,
                                int8_t *output);

/**
 * @brief Bytes of scratch that sparsec_convolve_runs_s8() needs, of which the arguments are.
 */
int32_t sparsec_convolve_runs_s8_get_buffer_size(const cmsis_nn_conv_params *conv_params,
                                                 const cmsis_nn_dims *input_dims,
                                                 const cmsis_nn_dims *filter_dims,
                                                 const int32_t packed,
                                                 const cmsis_nn_dims *output_dims);

/**
 * @brief Bytes of scratch that sparsec_convolve_1x16_s8() needs, of which the arguments are.
 */
int32_t sparsec_convolve_1x16_s8_get_buffer_size(const cmsis_nn_conv_params *conv_params,
                                                 const cmsis_nn_dims *input_dims,
                                                 const cmsis_nn_dims *filter_dims,
                                                 const cmsis_nn_dims *output_dims);

/**
 * @brief Bytes of scratch that sparsec_convolve_1x4_s8() needs, of which the arguments are.
 */
int32_t sparsec_convolve_1x4_s8_get_buffer_size(const cmsis_nn_conv_params *conv_params,
                                                const cmsis_nn_dims *input_dims,
                                                const cmsis_nn_dims *filter_dims,
                                                const cmsis_nn_dims *output_dims);

/**
 * @brief Dense convolution of four pixels at a time, for Helium: any kernel, stride, padding and dilation, one group.
 *
 * `rows` holds the weights, the biases with the input offset folded in, the multipliers and the shifts, as
 * sparsec/layouts/quads.py lays them out, which also says how much scratch there must be.
 *
 * @param[in]  ctx           Scratch
 * @param[in]  conv_params   Offsets, stride, padding, dilation and clamp; padding reads as -input_offset
 * @param[in]  input_dims    Input dimensions [1, H, W, C_IN]
 * @param[in]  input         Input data
 * @param[in]  filter_dims   Filter dimensions [C_OUT, HK, WK, C_IN]
 * @param[in]  packed        Whether windows are copied to one run of bytes each
 * @param[in]  rows          The layer's rows
 * @param[in]  output_dims   Output dimensions [1, H, W, C_OUT]
 * @param[out] output        Output data
 */
void sparsec_convolve_runs_s8(const cmsis_nn_context *ctx,
                              const cmsis_nn_conv_params *conv_params,
                              const cmsis_nn_dims *input_dims,
                              const int8_t *input,
                              const cmsis_nn_dims *filter_dims,
                              const int32_t packed,
                              const int32_t *rows,
                              const cmsis_nn_dims *output_dims,
                              int8_t *output);

/**
 * @brief Convolution by blocks of sixteen neighbouring weights, four pixels at a time, for Helium: any kernel, stride, padding and
 *        dilation, one group.
 *
 * Arguments are those of sparsec_convolve_runs_s8(), but for `packed`.
 */
void sparsec_convolve_1x16_s8(const cmsis_nn_context *ctx,
                              const cmsis_nn_conv_params *conv_params,
                              const cmsis_nn_dims *input_dims,
                              const int8_t *input,
                              const cmsis_nn_dims *filter_dims,
                              const int32_t *rows,
                              const cmsis_nn_dims *output_dims,
                              int8_t *output);

/**
 * @brief Convolution by blocks of four neighbouring weights, four pixels at a time, for Helium: any kernel, stride, padding and
 *        dilation, one group.
 *
 * Arguments are those of sparsec_convolve_runs_s8(), but for `packed`.
 */
void sparsec_convolve_1x4_s8(const cmsis_nn_context *ctx,
                             const cmsis_nn_conv_params *conv_params,
                             const cmsis_nn_dims *input_dims,
                             const int8_t *input,
                             const cmsis_nn_dims *filter_dims,
                             const int32_t *rows,
                             const cmsis_nn_dims *output_dims,
                             int8_t *output);

/**
 * @brief Bytes of scratch that sparsec_convolve_packed_s8 needs.
 *
 * @param[in] input_dims   Input dimensions, `c` is read
 * @param[in] filter_dims  Filter dimensions, `h` is read
 * @param[in] rows         The layer's rows
 * @return                 Size in bytes
 */
int32_t sparsec_convolve_packed_s8_get_buffer_size(const cmsis_nn_dims *input_dims,
                                                   const cmsis_nn_dims *filter_dims,
                                                   const int32_t *rows);

/**
 * @brief Sparse convolution that multiplies the inputs of two output pixels at once: any kernel, stride, padding and
 *        dilation, one group.
 *
 * `rows` holds the weights, the biases with the input offset folded in, the multipliers and the shifts, as
 * sparsec/layouts/packed_rows.py lays them out for these dimensions.
 *
 * @param[in]  ctx           Scratch of sparsec_convolve_packed_s8_get_buffer_size() bytes, aligned to 4 bytes
 * @param[in]  conv_params   Offsets, stride, padding, dilation and clamp; padding reads as -input_offset
 * @param[in]  input_dims    Input dimensions [1, H, W, C_IN]
 * @param[in]  input         Input data
 * @param[in]  filter_dims   Filter dimensions [C_OUT, HK, WK, C_IN], `h` and `w` are read
 * @param[in]  rows          The layer's rows
 * @param[in]  output_dims   Output dimensions [1, H, W, C_OUT]
 * @param[out] output        Output data
 */
void sparsec_convolve_packed_s8(const cmsis_nn_context *ctx,
                                const cmsis_nn_conv_params *conv_params,
                                const cmsis_nn_dims *input_dims,
                                const int8_t *input,
                                const cmsis_nn_dims *filter_dims,
                                const int32_t *rows,
                                const cmsis_nn_dims *output_dims,
                                int8_t *output);

/**
 * @brief Bytes of scratch that sparsec_depthwise_convolve_3x3_s8 needs.
 *
 * @param[in] dw_conv_params  Stride and padding are read
 * @param[in] input_dims      Input dimensions
 * @param[in] output_dims     Output dimensions
 * @return                    Size in bytes
 */
int32_t sparsec_depthwise_convolve_3x3_s8_get_buffer_size(const cmsis_nn_dw_conv_params *dw_conv_params,
                                                          const cmsis_nn_dims *input_dims,
                                                          const cmsis_nn_dims *output_dims);

/**
 * @brief Depthwise convolution of 3x3 windows with an output for each channel: stride 1 or 2 on both axes, padding of up to
 *        2 on each side, no dilation.
 *
 * `rows` holds the weights, the biases with the input offset folded in, the multipliers and the shifts, as
 * sparsec/layouts/depthwise_3x3.py lays them out for this output offset and clamp.
 *
 * @param[in]  ctx             Scratch of sparsec_depthwise_convolve_3x3_s8_get_buffer_size() bytes, aligned to 4 bytes
 * @param[in]  dw_conv_params  Offsets, stride, padding and clamp; padding reads as -input_offset
 * @param[in]  input_dims      Input dimensions [1, H, W, C]
 * @param[in]  input           Input data
 * @param[in]  rows            The layer's rows
 * @param[in]  output_dims     Output dimensions [1, H, W, C]
 * @param[out] output          Output data
 */
void sparsec_depthwise_convolve_3x3_s8(const cmsis_nn_context *ctx,
                                       const cmsis_nn_dw_conv_params *dw_conv_params,
                                       const cmsis_nn_dims *input_dims,
                                       const int8_t *input,
                                       const int32_t *rows,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output);

/**
 * @brief Bytes of scratch that sparsec_depthwise_convolve_lanes_s8 needs.
 *
 * @param[in] dw_conv_params  Stride is read
 * @param[in] filter_dims     Filter dimensions, `h` and `w` are read
 * @param[in] output_dims     Output dimensions
 * @return                    Size in bytes
 */
int32_t sparsec_depthwise_convolve_lanes_s8_get_buffer_size(const cmsis_nn_dw_conv_params *dw_conv_params,
                                                            const cmsis_nn_dims *filter_dims,
                                                            const cmsis_nn_dims *output_dims);

/**
 * @brief Depthwise convolution with an output for each channel, fast with Helium: any window, stride and padding, no dilation.
 *
 * `rows` holds the weights, the biases with the input offset folded in, the multipliers and the shifts, as
 * sparsec/layouts/depthwise_lanes.py lays them out.
 *
 * @param[in]  ctx             Scratch of sparsec_depthwise_convolve_lanes_s8_get_buffer_size() bytes
 * @param[in]  dw_conv_params  Offsets, stride, padding and clamp; padding reads as -input_offset
 * @param[in]  input_dims      Input dimensions [1, H, W, C]
 * @param[in]  input           Input data
 * @param[in]  filter_dims     Filter dimensions [1, HK, WK, C], `h` and `w` are read
 * @param[in]  rows            The layer's rows
 * @param[in]  output_dims     Output dimensions [1, H, W, C]
 * @param[out] output          Output data
 */
void sparsec_depthwise_convolve_lanes_s8(const cmsis_nn_context *ctx,
                                         const cmsis_nn_dw_conv_params *dw_conv_params,
                                         const cmsis_nn_dims *input_dims,
                                         const int8_t *input,
                                         const cmsis_nn_dims *filter_dims,
                                         const int32_t *rows,
                                         const cmsis_nn_dims *output_dims,
                                         int8_t *output);

/**
 * @brief Bytes of scratch that sparsec_depthwise_convolve_delta8_s8 needs.
 *
 * @param[in] dw_conv_params  Stride and dilation are read
 * @param[in] input_dims      Input dimensions
 * @param[in] filter_dims     Filter dimensions, `h` and `w` are read
 * @param[in] rows            The layer's rows
 * @param[in] output_dims     Output dimensions
 * @return                    Size in bytes
 */
int32_t sparsec_depthwise_convolve_delta8_s8_get_buffer_size(const cmsis_nn_dw_conv_params *dw_conv_params,
                                                             const cmsis_nn_dims *input_dims,
                                                             const cmsis_nn_dims *filter_dims,
                                                             const int32_t *rows,
                                                             const cmsis_nn_dims *output_dims);

/**
 * @brief Sparse depthwise convolution: any kernel, stride, padding, dilation and channel multiplier.
 *
 * `rows` holds the weights, the biases with the input offset folded in, the multipliers and the shifts, as
 * sparsec/layouts/depthwise_rows.py lays them out for these dimensions.
 *
 * @param[in]  ctx             Scratch of sparsec_depthwise_convolve_delta8_s8_get_buffer_size() bytes, aligned to 4 bytes
 * @param[in]  dw_conv_params  Offsets, channel multiplier, stride, padding, dilation and clamp; padding reads as
 *                             -input_offset
 * @param[in]  input_dims      Input dimensions [1, H, W, C_IN]
 * @param[in]  input           Input data
 * @param[in]  filter_dims     Filter dimensions [1, HK, WK, C_OUT], `h` and `w` are read
 * @param[in]  rows            The layer's rows
 * @param[in]  output_dims     Output dimensions [1, H, W, C_OUT]
 * @param[out] output          Output data
 */
void sparsec_depthwise_convolve_delta8_s8(const cmsis_nn_context *ctx,
                                          const cmsis_nn_dw_conv_params *dw_conv_params,
                                          const cmsis_nn_dims *input_dims,
                                          const int8_t *input,
                                          const cmsis_nn_dims *filter_dims,
                                          const int32_t *rows,
                                          const cmsis_nn_dims *output_dims,
                                          int8_t *output);

/**
 * @brief Fully connected layer with weights in the delta8 format (see sparsec_convolve_delta8_s8).
 *
 * @param[in]  fc_params     Output offset and clamp; the input offset is in the bias
 * @param[in]  quant_params  Multiplier and shift of each output
 * @param[in]  input         Input data
 * @param[in]  entries       Entries of all rows
 * @param[in]  counts        Number of entries of each row
 * @param[in]  bias          Bias of each output, the input offset folded in
 * @param[in]  output_dims   Output dimensions, `c` is the number of outputs
 * @param[out] output        Output data
 */
void sparsec_fully_connected_delta8_s8(const cmsis_nn_fc_params *fc_params,
                                       const cmsis_nn_per_channel_quant_params *quant_params,
                                       const int8_t *input,
                                       const uint8_t *entries,
                                       const uint16_t *counts,
                                       const int32_t *bias,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output);

/**
 * @brief Where activations in channel-major order lie: a plane for each channel, one behind the other.
 *
 * The element of channel c in row y and column x is at `first + c * plane + y * pitch + x`, and SPARSEC_PLANES_TAIL bytes
 * follow the last plane. What is no element, in front of the first row, between rows and between planes, holds `fill`
 * unless `first` is 0 and `pitch` the width of a row.
 */
typedef struct
{
    int32_t first;
    int32_t pitch;
    int32_t plane;
    int32_t fill;
} sparsec_planes;

/**
 * @brief Bytes behind the last plane that kernels may read.
 */
#define SPARSEC_PLANES_TAIL 4

/**
 * @brief NHWC to channel-major. Where the channels are a multiple of four, the input is aligned to four bytes.
 *
 * @param[in]  dims    Dimensions [1, H, W, C]
 * @param[in]  input   NHWC
 * @param[in]  planes  Where the output lies
 * @param[out] output  Channel-major
 */
void sparsec_to_channel_major_s8(const cmsis_nn_dims *dims,
                                 const int8_t *input,
                                 const sparsec_planes *planes,
                                 int8_t *output);

/**
 * @brief Channel-major to NHWC. Where the channels are a multiple of four, the output is aligned to four bytes.
 *
 * @param[in]  dims    Dimensions [1, H, W, C]
 * @param[in]  planes  Where the input lies
 * @param[in]  input   Channel-major
 * @param[out] output  NHWC
 */
void sparsec_from_channel_major_s8(const cmsis_nn_dims *dims,
                                   const sparsec_planes *planes,
                                   const int8_t *input,
                                   int8_t *output);

/**
 * @brief Sparse convolution of channel-major activations, many neighbouring pixels at once: any kernel, padding and
 *        dilation of stride 1, one group.
 *
 * Rows of pixels of the output are as far apart as those of the input, whose gaps are at least as wide as the padding and
 * hold -input_offset. `rows` has the bias with the input offset folded in, the multiplier, the shift and the number of
 * weights of each output channel; `steps` the bytes from a weight's input to that of the next one, of each row from
 * the corner of the window on (see sparsec/layouts/pixel_rows.py).
 *
 * @param[in]  conv_params    Output offset, padding and clamp are read
 * @param[in]  input_planes   Where the input lies, `first` and `pitch` are read
 * @param[in]  input          Input data, channel-major
 * @param[in]  rows           Four numbers of each row
 * @param[in]  steps          Steps of all rows
 * @param[in]  weights        Weights of all rows
 * @param[in]  output_dims    Output dimensions [1, H, W, C_OUT]
 * @param[in]  output_planes  Where the output lies; `plane` is at least 4 * ceil(((H - 1) * pitch + W) / 4)
 * @param[out] output         Output data, channel-major
 */
void sparsec_convolve_pixels_s8(const cmsis_nn_conv_params *conv_params,
                                const sparsec_planes *input_planes,
                                const int8_t *input,
                                const int32_t *rows,
                                const uint16_t *steps,
                                const int8_t *weights,
                                const cmsis_nn_dims *output_dims,
                                const sparsec_planes *output_planes,
                                int8_t *output);

/**
 * @brief Weights of a compact format: what it says of itself, and its arrays.
 *
 * Numbers and arrays are in the order in which the decoders below name them.
 */
typedef struct
{
    int32_t rows;
    int32_t columns;
    int32_t numbers[2];
    const void *arrays[7];
} sparsec_encoded;

/**
 * @brief Where a decoder goes on: the next row, and what it has read. Zeros are in front of the first row.
 */
typedef struct
{
    int32_t row;
    uint32_t read[3];
} sparsec_place;

/**
 * @brief The next rows of compact weights as delta8 entries (see sparsec_convolve_delta8_s8).
 *
 * All decoders below are of this type. They take the arrays of a format as sparsec/formats/ lays them out, and write the
 * entries of the rows and the number of entries of each, what the delta8 kernels take; no byte more.
 *
 * @param[in]      weights  The weights
 * @param[in,out]  place    Where to go on, and where that ended; NULL for the first row
 * @param[in]      rows     How many rows, no more than are left
 * @param[out]     entries  Their delta8 entries
 * @param[out]     counts   Number of delta8 entries of each
 */
typedef void (*sparsec_decoder)(const sparsec_encoded *weights,
                                sparsec_place *place,
                                int32_t rows,
                                uint8_t *entries,
                                uint16_t *counts);

/**
 * @brief The delta4 format.
 *
 * Arrays: values of all entries, bridges among them; their steps, two to a byte; uint16_t number of entries of each
 * row.
 */
void sparsec_decode_delta4_s8(const sparsec_encoded *weights,
                              sparsec_place *place,
                              int32_t rows,
                              uint8_t *entries,
                              uint16_t *counts);

/**
 * @brief The bitmap format.
 *
 * Arrays: weights that are not zero; one bit for each weight, rows filled up to whole bytes.
 */
void sparsec_decode_bitmap_s8(const sparsec_encoded *weights,
                              sparsec_place *place,
                              int32_t rows,
                              uint8_t *entries,
                              uint16_t *counts);

/**
 * @brief Compressed sparse rows.
 *
 * Arrays: weights that are not zero; their columns, uint8_t with at most 256 columns, else uint16_t; where each row
 * starts and the last one ends, uint16_t with at most 65535 weights, zeros included, else uint32_t.
 */
void sparsec_decode_csr_s8(const sparsec_encoded *weights,
                           sparsec_place *place,
                           int32_t rows,
                           uint8_t *entries,
                           uint16_t *counts);

/**
 * @brief N:M weights.
 *
 * Numbers: entries of a group; its columns, at most 256. Arrays: values of all entries; the place of each entry in
 * its group, packed, rows filled up to whole bytes.
 */
void sparsec_decode_nm_s8(const sparsec_encoded *weights,
                          sparsec_place *place,
                          int32_t rows,
                          uint8_t *entries,
                          uint16_t *counts);

/**
 * @brief Blocks of one row.
 *
 * Numbers: 1; columns of a block. Arrays: a step in blocks, then the weights of the block, for all blocks; uint16_t
 * number of blocks of each row.
 */
void sparsec_decode_row_block_s8(const sparsec_encoded *weights,
                                 sparsec_place *place,
                                 int32_t rows,
                                 uint8_t *entries,
                                 uint16_t *counts);

/**
 * @brief Blocks of several rows.
 *
 * Numbers: rows of a block; its columns. Arrays: weights of all blocks, in pairs of blocks with one column and an
 * even number of rows; the block column of each block, uint8_t with at most 256 of them, else uint16_t; uint16_t
 * number of blocks of each row of blocks.
 */
void sparsec_decode_block_s8(const sparsec_encoded *weights,
                             sparsec_place *place,
                             int32_t rows,
                             uint8_t *entries,
                             uint16_t *counts);

/**
 * @brief The dcsr format.
 *
 * Arrays: values of all elements, some of them zero; int16_t elements of each row, less the mean of all; the lower
 * four bits of the deltas; where each group of 16 elements starts, relative to the one before; which higher bits
 * occur among the deltas of each group; uint16_t in which deltas each of them does; uint32_t number of elements.
 */
void sparsec_decode_dcsr_s8(const sparsec_encoded *weights,
                            sparsec_place *place,
                            int32_t rows,
                            uint8_t *entries,
                            uint16_t *counts);

/**
 * @brief The block-rle format.
 *
 * Numbers: elements of a record; bytes of the stream. Arrays: a step less 128, then the elements of the record, for
 * all records.
 */
void sparsec_decode_block_rle_s8(const sparsec_encoded *weights,
                                 sparsec_place *place,
                                 int32_t rows,
                                 uint8_t *entries,
                                 uint16_t *counts);

/**
 * @brief Fully connected layer with weights of a compact format, of which a few rows at a time are decoded.
 *
 * @param[in]      ctx           Scratch memory: the counts of some rows, uint16_t, then their delta8 entries
 * @param[in]      fc_params     Output offset and clamp; the input offset is in the bias
 * @param[in]      quant_params  Multiplier and shift of each output
 * @param[in]      input         Input data
 * @param[in]      weights       The weights
 * @param[in]      decode        Their decoder
 * @param[in]      rows          How many rows are decoded at a time: the scratch memory holds them wherever they begin
 * @param[in]      bias          Bias of each output, with the input offset folded in
 * @param[in]      output_dims   Outputs in c
 * @param[out]     output        Output data
 */
void sparsec_fully_connected_decoded_s8(const cmsis_nn_context *ctx,
                                        const cmsis_nn_fc_params *fc_params,
                                        const cmsis_nn_per_channel_quant_params *quant_params,
                                        const int8_t *input,
                                        const sparsec_encoded *weights,
                                        sparsec_decoder decode,
                                        int32_t rows,
                                        const int32_t *bias,
                                        const cmsis_nn_dims *output_dims,
                                        int8_t *output);

/**
 * @brief Fully connected layer with weights of the dcsr format, for cores with Helium: the columns of 16 weights are made
 * in one vector.
 *
 * @param[in]  fc_params     Output offset and clamp; the input offset is in the bias
 * @param[in]  quant_params  Multiplier and shift of each output
 * @param[in]  input         Input data
 * @param[in]  weights       What sparsec_decode_dcsr_s8 reads
 * @param[in]  bias          Bias of each output, the input offset folded in
 * @param[in]  output_dims   Output dimensions, `c` is the number of outputs
 * @param[out] output        Output data
 */
void sparsec_fully_connected_dcsr_s8(const cmsis_nn_fc_params *fc_params,
                                     const cmsis_nn_per_channel_quant_params *quant_params,
                                     const int8_t *input,
                                     const sparsec_encoded *weights,
                                     const int32_t *bias,
                                     const cmsis_nn_dims *output_dims,
                                     int8_t *output);

/**
 * @brief Fully connected layer with sparse weights, each with its column.
 *
 * Every `row` of the sparse layers below is three words: the bias, with the input offset folded in; the number of groups
 * in bits 31-16, of entries left over in bits 15-8 and ~shift in bits 7-0; the multiplier. `saturating` may be 1 if the
 * clamp is [-128, 127], every shift is in [-22, -1], no multiplier is negative and every accumulator is below 2^30 in
 * magnitude, whatever the input; then a shorter requantization, which has the same results, takes the place of the
 * general one.
 *
 * Row o holds its entries in any order, the left-over ones first. A column is a byte, or two bytes with more than 256
 * inputs.
 *
 * @param[in]  fc_params    Output offset and clamp; the input offset is in the bias
 * @param[in]  saturating   Whether the shorter requantization may be used
 * @param[in]  input        Input data
 * @param[in]  filter_dims  Filter dimensions, `n` is the number of inputs as in arm_fully_connected_s8
 * @param[in]  rows         Three words for each output
 * @param[in]  groups       Groups of all rows: eight columns, then eight int8 weights
 * @param[in]  left_over    Up to seven entries of each row: a column and an int8 weight
 * @param[in]  output_dims  Output dimensions, `c` is the number of outputs
 * @param[out] output       Output data
 */
void sparsec_fully_connected_table_s8(const cmsis_nn_fc_params *fc_params,
                                      int32_t saturating,
                                      const int8_t *input,
                                      const cmsis_nn_dims *filter_dims,
                                      const int32_t *rows,
                                      const int32_t *groups,
                                      const uint8_t *left_over,
                                      const cmsis_nn_dims *output_dims,
                                      int8_t *output);

/**
 * @brief Fully connected layer with sparse weights in blocks of four neighbouring columns of a row.
 *
 * The parameters are those of sparsec_fully_connected_table_s8, but a row consists of blocks, the left-over ones first,
 * and then groups of four.
 *
 * @param[in]  places   The place of each block. With a number of inputs that four divides and not more than 1024, one
 *                      byte: its first column, divided by four; else two bytes: its first column
 * @param[in]  weights  Four int8 weights of each block
 */
void sparsec_fully_connected_1x4_s8(const cmsis_nn_fc_params *fc_params,
                                    int32_t saturating,
                                    const int8_t *input,
                                    const cmsis_nn_dims *filter_dims,
                                    const int32_t *rows,
                                    const uint8_t *places,
                                    const int32_t *weights,
                                    const cmsis_nn_dims *output_dims,
                                    int8_t *output);

/**
 * @brief Fully connected layer with sparse weights in blocks of four neighbouring rows of a column.
 *
 * The parameters are those of sparsec_fully_connected_table_s8, but four rows share their columns, which come in pairs:
 * a pair left over if bits 15-8 of the first row are 1, and then groups of two pairs. `rows` is filled up to a multiple
 * of four. Columns are bytes, or two bytes with more than 256 inputs.
 *
 * @param[in]  groups  A pair i, j left over: the int8 weights r0i r1i r0j r1j r2i r3i r2j r3j, the columns i and j, and
 *                     zeros up to the next word. A group: the weights of its second pair, those of its first pair, and
 *                     the columns of both
 */
void sparsec_fully_connected_4x1_s8(const cmsis_nn_fc_params *fc_params,
                                    int32_t saturating,
                                    const int8_t *input,
                                    const cmsis_nn_dims *filter_dims,
                                    const int32_t *rows,
                                    const int32_t *groups,
                                    const cmsis_nn_dims *output_dims,
                                    int8_t *output);

/**
 * @brief sparsec_fully_connected_4x1_s8 with int16 weights, which is faster: r0i r0j r1i r1j r2i r2j r3i r3j.
 */
void sparsec_fully_connected_4x1_w16_s8(const cmsis_nn_fc_params *fc_params,
                                        int32_t saturating,
                                        const int8_t *input,
                                        const cmsis_nn_dims *filter_dims,
                                        const int32_t *rows,
                                        const int32_t *groups,
                                        const cmsis_nn_dims *output_dims,
                                        int8_t *output);

/**
 * @brief Dense fully connected layer, laid out for four rows at a time.
 *
 * The parameters are those of sparsec_fully_connected_table_s8, but there are no counts in `rows`, which is filled up to
 * a multiple of four.
 *
 * @param[in]  weights  For each four rows, for each eight columns the halves r0 + 256 * r1 and r2 + 256 * r3 of the
 *                      columns 1 3, 0 2, 4 6 and 5 7: each half has 16 bits, and the magnitudes of r1, and of r3, add
 *                      up to less than 65536. Then four int8 weights of each column left over
 */
void sparsec_fully_connected_dense_s8(const cmsis_nn_fc_params *fc_params,
                                      int32_t saturating,
                                      const int8_t *input,
                                      const cmsis_nn_dims *filter_dims,
                                      const int32_t *rows,
                                      const int32_t *weights,
                                      const cmsis_nn_dims *output_dims,
                                      int8_t *output);

/**
 * @brief Fully connected layer with sparse weights for cores with Helium, which gathers the inputs of 16 weights.
 *
 * The parameters are those of sparsec_fully_connected_table_s8, but `rows` of the layers for Helium are twelve words for
 * four outputs: the biases; the number of entries in bits 31-16 and the shift in bits 15-0; the multipliers. They are
 * filled up to a multiple of four with rows without entries.
 *
 * @param[in]  entries  The int8 weights of a row, then a column for each. With more than 256 inputs a column is relative
 *                      to the base of its 16 entries
 * @param[in]  bases    With more than 256 inputs the base of each 16 entries of each row
 */
void sparsec_fully_connected_gather_s8(const cmsis_nn_fc_params *fc_params,
                                       int32_t saturating,
                                       const int8_t *input,
                                       const cmsis_nn_dims *filter_dims,
                                       const int32_t *rows,
                                       const uint8_t *entries,
                                       const uint16_t *bases,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output);

/**
 * @brief Fully connected layer with sparse weights in blocks of four neighbouring columns, for cores with Helium, which
 * gathers the inputs of four blocks.
 *
 * The parameters are those of sparsec_fully_connected_gather_s8, but an entry is a block. Up to three bytes behind the
 * input are read, though never behind a multiple of four, and do not count.
 *
 * @param[in]  ctx      Scratch memory, aligned to four bytes
 * @param[in]  entries  Four int8 weights for each block of a row, then its first column divided by four: a byte, or two
 *                      with more than 1024 inputs
 */
void sparsec_fully_connected_gather_1x4_s8(const cmsis_nn_context *ctx,
                                           const cmsis_nn_fc_params *fc_params,
                                           int32_t saturating,
                                           const int8_t *input,
                                           const cmsis_nn_dims *filter_dims,
                                           const int32_t *rows,
                                           const int32_t *entries,
                                           const cmsis_nn_dims *output_dims,
                                           int8_t *output);

/**
 * @brief Bytes of scratch memory of sparsec_fully_connected_gather_1x4_s8.
 */
int32_t sparsec_fully_connected_gather_1x4_s8_get_buffer_size(const cmsis_nn_dims *filter_dims);

/**
 * @brief Fully connected layer with sparse weights in blocks of 16 neighbouring columns, for cores with Helium.
 *
 * The parameters are those of sparsec_fully_connected_gather_s8, but an entry is a block, which may begin at any column
 * and does not reach beyond the last one.
 *
 * @param[in]  weights  16 int8 weights for each block
 * @param[in]  places   The first column of each block
 */
void sparsec_fully_connected_1x16_s8(const cmsis_nn_fc_params *fc_params,
                                     int32_t saturating,
                                     const int8_t *input,
                                     const cmsis_nn_dims *filter_dims,
                                     const int32_t *rows,
                                     const int8_t *weights,
                                     const uint16_t *places,
                                     const cmsis_nn_dims *output_dims,
                                     int8_t *output);

/**
 * @brief Dense fully connected layer with a multiplier and shift of its own for each output.
 *
 * @param[in]  fc_params     Output offset and clamp; the input offset is in the bias
 * @param[in]  quant_params  Multiplier and shift of each output
 * @param[in]  input         Input data
 * @param[in]  filter_dims   Filter dimensions, `n` is the number of inputs as in arm_fully_connected_s8
 * @param[in]  filter        Weights [outputs, inputs]
 * @param[in]  bias          Bias of each output, the input offset folded in
 * @param[in]  output_dims   Output dimensions, `c` is the number of outputs
 * @param[out] output        Output data
 */
void sparsec_fully_connected_per_channel_s8(const cmsis_nn_fc_params *fc_params,
                                            const cmsis_nn_per_channel_quant_params *quant_params,
                                            const int8_t *input,
                                            const cmsis_nn_dims *filter_dims,
                                            const int8_t *filter,
                                            const int32_t *bias,
                                            const cmsis_nn_dims *output_dims,
                                            int8_t *output);

/**
 * @brief Transposed convolution: any kernel, stride and padding.
 *
 * Input pixel (y, x) adds to output pixel (y * stride.h - padding.h + ky, x * stride.w - padding.w + kx) through the
 * element (ky, kx) of the kernel, or to none outside the output. Needs no scratch memory.
 *
 * @param[in]  transpose_conv_params  Offsets, stride (at most output size + padding), padding and clamp;
 *                                    `padding_offsets` and `dilation` are not read
 * @param[in]  quant_params           Multiplier and shift of each output channel
 * @param[in]  input_dims             Input dimensions [1, H, W, C_IN]
 * @param[in]  input                  Input data
 * @param[in]  filter_dims            Filter dimensions [C_OUT, HK, WK, C_IN], `h` and `w` are read
 * @param[in]  filter                 Weights
 * @param[in]  bias                   Bias of each output channel without the input offset: how many weights meet an
 *                                    input depends on the pixel
 * @param[in]  output_dims            Output dimensions [1, H, W, C_OUT]
 * @param[out] output                 Output data
 */
void sparsec_transpose_conv_s8(const cmsis_nn_transpose_conv_params *transpose_conv_params,
                               const cmsis_nn_per_channel_quant_params *quant_params,
                               const cmsis_nn_dims *input_dims,
                               const int8_t *input,
                               const cmsis_nn_dims *filter_dims,
                               const int8_t *filter,
                               const int32_t *bias,
                               const cmsis_nn_dims *output_dims,
                               int8_t *output);

/**
 * @brief Any function of one int8 value: output[i] = table[input[i] + 128].
 *
 * @param[in]  size    Number of elements
 * @param[in]  input   Input data
 * @param[in]  table   The 256 results, for the inputs -128 to 127
 * @param[out] output  Output data; may be `input` (in place)
 */
void sparsec_lookup_s8(int32_t size, const int8_t *input, const int8_t *table, int8_t *output);

/**
 * @brief The mean of each channel over an image, as TensorFlow Lite's MEAN over height and width computes it; of several
 *        images one by one. It is a sum if the multiplier is not divided.
 *
 * @param[in]  input_offset   The negative of the input's zero point
 * @param[in]  output_offset  The output's zero point
 * @param[in]  activation     Lowest and highest result
 * @param[in]  quant_params   Multiplier and shift of input scale / (output scale * H * W)
 * @param[in]  input_dims     Input dimensions [N, H, W, C], at most 2^23 pixels in an image
 * @param[in]  input          Input data
 * @param[out] output         Output data [N, 1, 1, C]
 */
void sparsec_mean_s8(int32_t input_offset,
                     int32_t output_offset,
                     const cmsis_nn_activation *activation,
                     const cmsis_nn_per_tensor_quant_params *quant_params,
                     const cmsis_nn_dims *input_dims,
                     const int8_t *input,
                     int8_t *output);

/**
 * @brief The largest value of each channel of an image; of several images one by one.
 *
 * @param[in]  input_dims  Input dimensions [N, H, W, C], with at least one pixel
 * @param[in]  input       Input data
 * @param[out] output      Output data [N, 1, 1, C]
 */
void sparsec_reduce_max_s8(const cmsis_nn_dims *input_dims, const int8_t *input, int8_t *output);

/**
 * @brief The smallest value of each channel of an image, otherwise as sparsec_reduce_max_s8.
 *
 * @param[in]  input_dims  Input dimensions [N, H, W, C], with at least one pixel
 * @param[in]  input       Input data
 * @param[out] output      Output data [N, 1, 1, C]
 */
void sparsec_reduce_min_s8(const cmsis_nn_dims *input_dims, const int8_t *input, int8_t *output);

/**
 * @brief Where the largest value of each channel of an image is; of several images one by one.
 *
 * Pixels are counted from 0, row by row. Of several equal values it is the first.
 *
 * @param[in]  input_dims  Input dimensions [N, H, W, C], with at least one pixel
 * @param[in]  input       Input data
 * @param[out] output      Output data [N, 1, 1, C]
 */
void sparsec_arg_max_s8(const cmsis_nn_dims *input_dims, const int8_t *input, int32_t *output);

/**
 * @brief Where the smallest value of each channel of an image is, otherwise as sparsec_arg_max_s8.
 *
 * @param[in]  input_dims  Input dimensions [N, H, W, C], with at least one pixel
 * @param[in]  input       Input data
 * @param[out] output      Output data [N, 1, 1, C]
 */
void sparsec_arg_min_s8(const cmsis_nn_dims *input_dims, const int8_t *input, int32_t *output);

/**
 * @brief Softmax of rows of any length, to scale 1/256 and zero point -128: arm_softmax_s8 where that is defined, which is
 * for at most 511 values; 0 for each value of a row whose exponentials, that of the largest being 1, sum to 512 or more.
 *
 * @param[in]  input       Input data
 * @param[in]  rows        How many rows
 * @param[in]  row_size    Values of each, at least one
 * @param[in]  multiplier  As for arm_softmax_s8
 * @param[in]  shift       As for arm_softmax_s8
 * @param[in]  diff_min    As for arm_softmax_s8
 * @param[out] output      Output data; may be `input`
 */
void sparsec_softmax_s8(const int8_t *input,
                        int32_t rows,
                        int32_t row_size,
                        int32_t multiplier,
                        int32_t shift,
                        int32_t diff_min,
                        int8_t *output);

/**
 * @brief From one int8 scale and zero point to another, as TensorFlow Lite's QUANTIZE does, then a clamp.
 *
 * @param[in]  input_offset   The negative of the input's zero point
 * @param[in]  output_offset  The output's zero point
 * @param[in]  activation     Lowest and highest result
 * @param[in]  quant_params   Multiplier and shift of input scale / output scale
 * @param[in]  size           Number of elements
 * @param[in]  input          Input data
 * @param[out] output         Output data; may be `input` (in place)
 */
void sparsec_requantize_s8(int32_t input_offset,
                           int32_t output_offset,
                           const cmsis_nn_activation *activation,
                           const cmsis_nn_per_tensor_quant_params *quant_params,
                           int32_t size,
                           const int8_t *input,
                           int8_t *output);

/**
 * @brief Pad a tensor of four dimensions with one value.
 *
 * @param[in]  pad_value    The value of the new elements
 * @param[in]  pad_before   New elements before the first one of each dimension
 * @param[in]  input_dims   Input dimensions
 * @param[in]  input        Input data
 * @param[in]  output_dims  Output dimensions; what they leave over lies behind the last element of each dimension
 * @param[out] output       Output data
 */
void sparsec_pad_s8(int8_t pad_value,
                    const cmsis_nn_dims *pad_before,
                    const cmsis_nn_dims *input_dims,
                    const int8_t *input,
                    const cmsis_nn_dims *output_dims,
                    int8_t *output);

/**
 * @brief Permute the dimensions of a tensor: six nested loops over its elements, from the outermost h, w, n, h, w, c.
 *
 * The caller joins dimensions that stay together and leaves out those of one element. Runs of 8 bytes and more
 * (`input_strides->c` 1) are copied whole; of fewer than 4 elements all first ones of a row are copied, then the second.
 *
 * @param[in]  outer_strides  For the two outer loops, the distance in bytes of two neighbours in the input
 * @param[in]  input_strides  The same for the four inner loops
 * @param[in]  input          Input data
 * @param[in]  outer_dims     For the two outer loops, the number of elements
 * @param[in]  output_dims    The same for the four inner loops
 * @param[out] output         Output data
 */
void sparsec_transpose_s8(const cmsis_nn_tile *outer_strides,
                          const cmsis_nn_dims *input_strides,
                          const int8_t *input,
                          const cmsis_nn_tile *outer_dims,
                          const cmsis_nn_dims *output_dims,
                          int8_t *output);

/**
 * @brief Copy one input of a concatenation along any axis into the output.
 *
 * With the axis at position a, `blocks` is the product of the dimensions before a; `block_bytes` and `output_stride` are
 * the product of the dimensions from a on, of this input and of the output.
 *
 * @param[in]  blocks         Number of blocks to copy
 * @param[in]  block_bytes    Bytes of one block, which follow each other in the input
 * @param[in]  output_stride  Bytes from one block to the next in the output
 * @param[in]  output_offset  Bytes before the first block in the output
 * @param[in]  input          Input data
 * @param[out] output         Start of the whole output
 */
void sparsec_concatenate_s8(int32_t blocks,
                            int32_t block_bytes,
                            int32_t output_stride,
                            int32_t output_offset,
                            const int8_t *input,
                            int8_t *output);

/**
 * @brief Copy a slice of a tensor: six nested loops over its elements, as those of `sparsec_transpose_s8`.
 *
 * The caller joins dimensions whose elements are at one distance.
 *
 * @param[in]  input_offset   Bytes before the first element of the slice in the input
 * @param[in]  outer_strides  For the two outer loops, the distance in bytes of two neighbours in the input; may be negative
 * @param[in]  input_strides  The same for the four inner loops
 * @param[in]  input          Input data
 * @param[in]  outer_dims     For the two outer loops, the number of elements
 * @param[in]  output_dims    The same for the four inner loops
 * @param[out] output         Output data, without gaps
 */
void sparsec_slice_s8(int32_t input_offset,
                      const cmsis_nn_tile *outer_strides,
                      const cmsis_nn_dims *input_strides,
                      const int8_t *input,
                      const cmsis_nn_tile *outer_dims,
                      const cmsis_nn_dims *output_dims,
                      int8_t *output);

/**
 * @brief Pick elements along one dimension of a tensor, in any order, some perhaps several times.
 *
 * @param[in]  blocks       Product of the dimensions before that one
 * @param[in]  block_bytes  Product of the input's dimensions from that one on
 * @param[in]  run_bytes    Product of the dimensions behind it
 * @param[in]  input        Input data
 * @param[in]  indices      For each element of the output along it, that of the input
 * @param[in]  count        How many
 * @param[out] output       Output data
 */
void sparsec_gather_s8(int32_t blocks,
                       int32_t block_bytes,
                       int32_t run_bytes,
                       const int8_t *input,
                       const uint16_t *indices,
                       int32_t count,
                       int8_t *output);

/**
 * @brief Normalise the values of each row and group of channels: the mean is taken away, what is left is divided by its
 * root mean square, then scaled and shifted by channel.
 *
 * Serves layer, group and instance normalisation, and without the mean RMS normalisation and division by the norm.
 * Of a set of n values x with d = x + input_offset it computes (n * d - sum(d)) / sqrt(V) in fixed point, where
 * V = n * sum(d^2) - sum(d)^2 + epsilon and sum(d) is taken for 0 if not centered; n is at most 65536. What has no
 * spread is 0. Results are within half a step and 1/64 of the real ones.
 *
 * @param[in]  input_offset   The negative of the input's zero point
 * @param[in]  output_offset  The output's zero point
 * @param[in]  activation     Lowest and highest result
 * @param[in]  groups         Into how many groups the channels are divided
 * @param[in]  centered       1 to take the mean away, 0 not to
 * @param[in]  epsilon        epsilon / input scale^2 * n^2 * 2^8, at most 2^60
 * @param[in]  quant_params   For each channel multiplier and shift of its factor / output scale / 2^13
 * @param[in]  bias           For each channel what is added, in units of output scale / 2^8
 * @param[in]  input_dims     Input dimensions; the values of a set have one n and h
 * @param[in]  input          Input data
 * @param[out] output         Output data; may be `input` (in place)
 */
void sparsec_normalize_s8(int32_t input_offset,
                          int32_t output_offset,
                          const cmsis_nn_activation *activation,
                          int32_t groups,
                          int32_t centered,
                          int64_t epsilon,
                          const cmsis_nn_per_channel_quant_params *quant_params,
                          const int32_t *bias,
                          const cmsis_nn_dims *input_dims,
                          const int8_t *input,
                          int8_t *output);

/**
 * @brief Where matrices lie that are part of a larger tensor: the distances, in elements, between two of the outer axis, two
 *        heads, two rows and two neighbours in a row.
 */
typedef struct
{
    int32_t outer;
    int32_t head;
    int32_t row;
    int32_t column;
} sparsec_matrices;

/**
 * @brief How sums of products of two int8 values become int8 values.
 */
typedef struct
{
    int32_t lhs_offset;
    int32_t rhs_offset;
    int32_t output_offset;
    cmsis_nn_per_tensor_quant_params quant_params;
    cmsis_nn_activation activation;
} sparsec_matmul_params;

/**
 * @brief How many products there are, of matrices [rows, depth] and [depth, columns].
 */
typedef struct
{
    int32_t outer;
    int32_t heads;
    int32_t rows;
    int32_t depth;
    int32_t columns;
} sparsec_matmul_sizes;

/**
 * @brief Bytes of scratch that sparsec_batch_matmul_s8() needs.
 *
 * @param[in] sizes  The products
 * @return           Size in bytes
 */
int32_t sparsec_batch_matmul_s8_get_buffer_size(const sparsec_matmul_sizes *sizes);

/**
 * @brief Products of matrices that are both computed, wherever their elements lie: TensorFlow Lite's BATCH_MATMUL.
 *
 * An element is the sum of (lhs + lhs_offset) * (rhs + rhs_offset), which has to be within +-2^29, requantized. A distance of
 * 0 in the first two repeats matrices. Rows or columns of `rhs` are neighbours. Transposed matrices are those that have the
 * distances of their rows and columns exchanged.
 *
 * @param[in]  ctx              Scratch of sparsec_batch_matmul_s8_get_buffer_size() bytes, aligned to 8 bytes
 * @param[in]  params           Offsets, multiplier, shift and clamp
 * @param[in]  sizes            The products
 * @param[in]  lhs_matrices     Where the left matrices lie in `lhs`
 * @param[in]  lhs              Left matrices
 * @param[in]  rhs_matrices     Where the right matrices lie in `rhs`
 * @param[in]  rhs              Right matrices
 * @param[in]  output_matrices  Where the products go in `output`
 * @param[out] output           Products
 */
void sparsec_batch_matmul_s8(const cmsis_nn_context *ctx,
                             const sparsec_matmul_params *params,
                             const sparsec_matmul_sizes *sizes,
                             const sparsec_matrices *lhs_matrices,
                             const int8_t *lhs,
                             const sparsec_matrices *rhs_matrices,
                             const int8_t *rhs,
                             const sparsec_matrices *output_matrices,
                             int8_t *output);

/**
 * @brief What an attention looks at: for each head of each of the outer axis `queries` rows of `width` elements, `keys` rows
 *        as wide, and as many rows of `value_width` elements.
 */
typedef struct
{
    int32_t outer;
    int32_t heads;
    int32_t queries;
    int32_t keys;
    int32_t width;
    int32_t value_width;
} sparsec_attention_sizes;

/**
 * @brief How attention computes.
 *
 * `scores` is of query * key, the factor of the scores folded in; `values` of probability * value, where `lhs_offset` is 128.
 * `mask_factor` is what one step of a mask adds to a sum of products. With `causal` a query sees the first
 * `keys - queries + 1 + its place` keys, else all.
 */
typedef struct
{
    sparsec_matmul_params scores;
    sparsec_matmul_params values;
    int32_t mask_factor;
    int32_t causal;
} sparsec_attention_params;

/**
 * @brief Bytes of scratch that sparsec_attention_s8() needs.
 *
 * @param[in] sizes  What it looks at
 * @return           Size in bytes
 */
int32_t sparsec_attention_s8_get_buffer_size(const sparsec_attention_sizes *sizes);

/**
 * @brief Attention: softmax(query * key^T + mask) * value, as sparsec_batch_matmul_s8(), sparsec_softmax_s8() and
 *        sparsec_batch_matmul_s8() one behind the other give it, but with scores of a few rows at a time.
 *
 * Elements of a row are neighbours: the distance in `column` is not read. A mask adds `mask_factor * mask` to the sum of
 * products of its place, which has to stay within +-2^29; where it is -128 the key is not seen: its exponential is 0. What
 * sees no key has probabilities of 0. There are at most 4095 keys.
 *
 * @param[in]  ctx               Scratch of sparsec_attention_s8_get_buffer_size() bytes, aligned to 8 bytes
 * @param[in]  params            How it computes
 * @param[in]  sizes             What it looks at
 * @param[in]  query_matrices    Where the queries lie in `query`
 * @param[in]  query             Queries [queries, width] of each head
 * @param[in]  key_matrices      Where the keys lie in `key`
 * @param[in]  key               Keys [keys, width] of each head
 * @param[in]  value_matrices    Where the values lie in `value`
 * @param[in]  value             Values [keys, value_width] of each head
 * @param[in]  mask_matrices     Where the masks lie in `mask`
 * @param[in]  mask              Masks [queries, keys], or NULL
 * @param[in]  exponentials      exp of each distance from the largest score of a row, 0 to 255, in Q0.31, as arm_softmax_s8
 *                               computes them (sparsec/quantization/softmax.py makes them)
 * @param[in]  output_matrices   Where the results go in `output`
 * @param[out] output            Results [queries, value_width] of each head; may be `query` if both lie alike
 */
void sparsec_attention_s8(const cmsis_nn_context *ctx,
                          const sparsec_attention_params *params,
                          const sparsec_attention_sizes *sizes,
                          const sparsec_matrices *query_matrices,
                          const int8_t *query,
                          const sparsec_matrices *key_matrices,
                          const int8_t *key,
                          const sparsec_matrices *value_matrices,
                          const int8_t *value,
                          const sparsec_matrices *mask_matrices,
                          const int8_t *mask,
                          const int32_t *exponentials,
                          const sparsec_matrices *output_matrices,
                          int8_t *output);

/**
 * @brief Softmax over rows, each over those of its values that a mask shows: what is -128 there is not seen, and becomes -128,
 *        as do rows of which nothing is seen.
 *
 * @param[in]  dims           The rows: n times h times w of c values
 * @param[in]  mask_matrices  Where the masks [w, c] lie in `mask`, for each n (outer) and h (head)
 * @param[in]  mask           Masks
 * @param[in]  exponentials   As sparsec_attention_s8() takes them
 * @param[in]  input          Scores
 * @param[out] output         Probabilities; may be `input`
 */
void sparsec_masked_softmax_s8(const cmsis_nn_dims *dims,
                               const sparsec_matrices *mask_matrices,
                               const int8_t *mask,
                               const int32_t *exponentials,
                               const int8_t *input,
                               int8_t *output);

/**
 * @brief Pick rows of a table: an index below 0 counts as 0, one behind the last row as that.
 *
 * @param[in]  rows       Rows of the table, at least one
 * @param[in]  row_bytes  Bytes of a row
 * @param[in]  table      The table
 * @param[in]  indices    For each row of the output that of the table
 * @param[in]  count      How many
 * @param[out] output     Output data [count, row_bytes]
 */
void sparsec_embedding_s8(int32_t rows,
                          int32_t row_bytes,
                          const int8_t *table,
                          const int32_t *indices,
                          int32_t count,
                          int8_t *output);

/**
 * @brief Bytes from 0 to 255 less 128; the output may be the input.
 *
 * @param[in]  size    Number of elements
 * @param[in]  input   Input data
 * @param[out] output  Output data
 */
void sparsec_from_uint8_s8(int32_t size, const uint8_t *input, int8_t *output);

/**
 * @brief Resize an image: pixel (y, x) of the output is pixel (rows[y], columns[x]) of the input.
 *
 * @param[in]  input_dims   Input dimensions; n is 1
 * @param[in]  input        Input data
 * @param[in]  rows         For each row of the output, the row of the input
 * @param[in]  columns      For each column of the output, the column of the input
 * @param[in]  output_dims  Output dimensions; n is 1, c that of the input
 * @param[out] output       Output data
 */
void sparsec_resize_nearest_s8(const cmsis_nn_dims *input_dims,
                               const int8_t *input,
                               const uint16_t *rows,
                               const uint16_t *columns,
                               const cmsis_nn_dims *output_dims,
                               int8_t *output);

/**
 * @brief An image each of whose pixels is a weighted sum of some of another one: bilinear resizing and its like.
 *
 * Pixel (y, x) of the output is the sum of the pixels (rows[y] + i, columns[x] + j) of the input, each without its zero
 * point times row_taps[y][i] * column_taps[x][j]. All rows of taps have one sum, all columns of taps too. The caller sees
 * to it that no sum, shifted, leaves 32 bits.
 *
 * @param[in]  input_offset      The negative of the input's zero point
 * @param[in]  output_offset     The output's zero point
 * @param[in]  activation        Lowest and highest result
 * @param[in]  quant_params      Multiplier and shift of input scale / output scale / both sums of taps
 * @param[in]  input_dims        Input dimensions; n is 1
 * @param[in]  input             Input data
 * @param[in]  rows              For each row of the output, the first row of the input
 * @param[in]  row_taps          For each row of the output, its weights
 * @param[in]  row_tap_count     How many
 * @param[in]  columns           For each column of the output, the first column of the input
 * @param[in]  column_taps       For each column of the output, its weights
 * @param[in]  column_tap_count  How many
 * @param[in]  output_dims       Output dimensions; n is 1, c that of the input
 * @param[out] output            Output data
 */
void sparsec_resample_s8(int32_t input_offset,
                         int32_t output_offset,
                         const cmsis_nn_activation *activation,
                         const cmsis_nn_per_tensor_quant_params *quant_params,
                         const cmsis_nn_dims *input_dims,
                         const int8_t *input,
                         const uint16_t *rows,
                         const int16_t *row_taps,
                         int32_t row_tap_count,
                         const uint16_t *columns,
                         const int16_t *column_taps,
                         int32_t column_tap_count,
                         const cmsis_nn_dims *output_dims,
                         int8_t *output);

/**
 * @brief Element-wise product of two tensors, which broadcast.
 *
 * @param[in]  input_1_offset  The negative of the first input's zero point
 * @param[in]  input_2_offset  The negative of the second input's zero point
 * @param[in]  output_offset   The output's zero point
 * @param[in]  activation      Lowest and highest result
 * @param[in]  quant_params    Multiplier and shift (at most 14) of input scale 1 * input scale 2 / output scale
 * @param[in]  input_1_dims    Dimensions of the first input; an axis of one element is repeated
 * @param[in]  input_1         First input
 * @param[in]  input_2_dims    Dimensions of the second input; an axis of one element is repeated
 * @param[in]  input_2         Second input
 * @param[out] output          Output data; of both their longer axes; may be an input of its shape (in place)
 */
void sparsec_mul_s8(int32_t input_1_offset,
                    int32_t input_2_offset,
                    int32_t output_offset,
                    const cmsis_nn_activation *activation,
                    const cmsis_nn_per_tensor_quant_params *quant_params,
                    const cmsis_nn_dims *input_1_dims,
                    const int8_t *input_1,
                    const cmsis_nn_dims *input_2_dims,
                    const int8_t *input_2,
                    int8_t *output);

/**
 * @brief Element-wise sum or difference of two tensors, which broadcast.
 *
 * Each input is shifted left and brought to a common scale; the terms are added or subtracted, and the result is
 * brought to the output's scale, as in arm_elementwise_add_s8 and TensorFlow Lite's SUB.
 *
 * @param[in]  left_shift      Left shift of the inputs without their offsets
 * @param[in]  input_1_offset  The negative of the first input's zero point
 * @param[in]  input_1_params  Multiplier and shift from the first input's scale to the common one
 * @param[in]  input_2_offset  The negative of the second input's zero point
 * @param[in]  input_2_params  Multiplier and shift from the second input's scale to the common one
 * @param[in]  input_2_sign    1 to add, -1 to subtract
 * @param[in]  output_offset   The output's zero point
 * @param[in]  activation      Lowest and highest result
 * @param[in]  output_params   Multiplier and shift from the common scale to the output's
 * @param[in]  input_1_dims    Dimensions of the first input; an axis of one element is repeated
 * @param[in]  input_1         First input
 * @param[in]  input_2_dims    Dimensions of the second input; an axis of one element is repeated
 * @param[in]  input_2         Second input
 * @param[out] output          Output data; of both their longer axes; may be an input of its shape (in place)
 */
void sparsec_add_s8(int32_t left_shift,
                    int32_t input_1_offset,
                    const cmsis_nn_per_tensor_quant_params *input_1_params,
                    int32_t input_2_offset,
                    const cmsis_nn_per_tensor_quant_params *input_2_params,
                    int32_t input_2_sign,
                    int32_t output_offset,
                    const cmsis_nn_activation *activation,
                    const cmsis_nn_per_tensor_quant_params *output_params,
                    const cmsis_nn_dims *input_1_dims,
                    const int8_t *input_1,
                    const cmsis_nn_dims *input_2_dims,
                    const int8_t *input_2,
                    int8_t *output);

/**
 * @brief Element-wise sum of two tensors of one size, in the short form that sparsec/quantization/short_add.py proves to
 *        give the bytes of arm_elementwise_add_s8.
 *
 * An output is (addend + (multiplier_1 * input_1 >> 8) + (multiplier_2 * input_2 >> 8)) >> shift, clamped. The addend, the
 * addend with the first term and the whole sum have to be within -2^31 + 2^21 and 2^31 - 1, for every two bytes.
 *
 * @param[in]  multiplier_1  Multiplier of the first input
 * @param[in]  multiplier_2  Multiplier of the second input
 * @param[in]  addend        Zero points and rounding, in units of 2^-shift of the output
 * @param[in]  shift         Shift to the right, 17 to 22; 22 without a clamp is fastest
 * @param[in]  activation    Lowest and highest result
 * @param[in]  input_1       First input
 * @param[in]  input_2       Second input
 * @param[in]  size          Number of elements of each
 * @param[out] output        Output data; may be an input (in place), or begin in front of one and overlap it
 */
void sparsec_residual_add_s8(int32_t multiplier_1,
                             int32_t multiplier_2,
                             int32_t addend,
                             int32_t shift,
                             const cmsis_nn_activation *activation,
                             const int8_t *input_1,
                             const int8_t *input_2,
                             int32_t size,
                             int8_t *output);

/**
 * @brief Element-wise sum of two tensors of one size, rounded as arm_elementwise_add_s8 does, where the multiplier of the
 *        first input is a half, its shift is 0 and the left shift is 20.
 *
 * @param[in]  input_1_offset  The negative of the first input's zero point
 * @param[in]  input_2_offset  The negative of the second input's zero point
 * @param[in]  input_2_params  Multiplier and shift, -1 to -30, of the second input
 * @param[in]  output_offset   The output's zero point
 * @param[in]  activation      Lowest and highest result
 * @param[in]  output_params   Multiplier and shift, -1 to -22, of the output
 * @param[in]  input_1         First input
 * @param[in]  input_2         Second input
 * @param[in]  size            Number of elements of each
 * @param[out] output          Output data; may be an input (in place), or begin in front of one and overlap it
 */
void sparsec_residual_add_rounded_s8(int32_t input_1_offset,
                                     int32_t input_2_offset,
                                     const cmsis_nn_per_tensor_quant_params *input_2_params,
                                     int32_t output_offset,
                                     const cmsis_nn_activation *activation,
                                     const cmsis_nn_per_tensor_quant_params *output_params,
                                     const int8_t *input_1,
                                     const int8_t *input_2,
                                     int32_t size,
                                     int8_t *output);

/**
 * @brief The larger of two stored values of one scale and zero point, of two tensors that broadcast.
 *
 * @param[in]  input_1_dims  Dimensions of the first input; an axis of one element is repeated
 * @param[in]  input_1       First input
 * @param[in]  input_2_dims  Dimensions of the second input; an axis of one element is repeated
 * @param[in]  input_2       Second input
 * @param[out] output        Output data; of both their longer axes; may be an input of its shape (in place)
 */
void sparsec_maximum_s8(const cmsis_nn_dims *input_1_dims,
                        const int8_t *input_1,
                        const cmsis_nn_dims *input_2_dims,
                        const int8_t *input_2,
                        int8_t *output);

/**
 * @brief The smaller of two stored values, otherwise as sparsec_maximum_s8.
 *
 * @param[in]  input_1_dims  Dimensions of the first input; an axis of one element is repeated
 * @param[in]  input_1       First input
 * @param[in]  input_2_dims  Dimensions of the second input; an axis of one element is repeated
 * @param[in]  input_2       Second input
 * @param[out] output        Output data; of both their longer axes; may be an input of its shape (in place)
 */
void sparsec_minimum_s8(const cmsis_nn_dims *input_1_dims,
                        const int8_t *input_1,
                        const cmsis_nn_dims *input_2_dims,
                        const int8_t *input_2,
                        int8_t *output);

/**
 * @brief One of two tensors, element by element: the first where the mask is not 0; all three broadcast.
 *
 * @param[in]  mask_dims     Dimensions of the mask; an axis of one element is repeated
 * @param[in]  mask          The mask
 * @param[in]  input_1_dims  Dimensions of the first input, likewise
 * @param[in]  input_1       First input
 * @param[in]  input_2_dims  Dimensions of the second input, likewise
 * @param[in]  input_2       Second input
 * @param[in]  output_dims   Output dimensions
 * @param[out] output        Output data
 */
void sparsec_select_s8(const cmsis_nn_dims *mask_dims,
                       const int8_t *mask,
                       const cmsis_nn_dims *input_1_dims,
                       const int8_t *input_1,
                       const cmsis_nn_dims *input_2_dims,
                       const int8_t *input_2,
                       const cmsis_nn_dims *output_dims,
                       int8_t *output);

/**
 * @brief TensorFlow Lite's PRELU: x, or x * alpha where x is negative; alpha broadcasts.
 *
 * @param[in]  input_offset        The negative of the input's zero point
 * @param[in]  alpha_offset        The negative of alpha's zero point
 * @param[in]  output_offset       The output's zero point
 * @param[in]  activation          Lowest and highest result
 * @param[in]  quant_params        Multiplier and shift of input scale / output scale
 * @param[in]  alpha_quant_params  Multiplier and shift (at most 14) of input scale * alpha scale / output scale
 * @param[in]  input_dims          Input dimensions
 * @param[in]  input               Input data
 * @param[in]  alpha_dims          Dimensions of alpha; an axis of one element is repeated
 * @param[in]  alpha               Slopes
 * @param[out] output              Output data; may be `input` (in place)
 */
void sparsec_prelu_s8(int32_t input_offset,
                      int32_t alpha_offset,
                      int32_t output_offset,
                      const cmsis_nn_activation *activation,
                      const cmsis_nn_per_tensor_quant_params *quant_params,
                      const cmsis_nn_per_tensor_quant_params *alpha_quant_params,
                      const cmsis_nn_dims *input_dims,
                      const int8_t *input,
                      const cmsis_nn_dims *alpha_dims,
                      const int8_t *alpha,
                      int8_t *output);

/**
 * @brief arm_convolve_wrapper_s8 strip by strip: the output may lie over the input.
 *
 * The kernels whose names end in `_strips_s8` do a layer by another kernel, a strip at a time. Where the output begins
 * before the input, or with it, they go from the first strip to the last, else from the last to the first, so that the
 * output may lie over what no later strip reads; sparsec/planning/overlap.py says how far that is. The input is lost then.
 * A strip is of rows of the output, or of pixels where each comes from the one input pixel in its place: a 1x1 kernel
 * without stride and padding.
 *
 * @param[in]  strip         Rows or pixels of the output in a strip, at least 1
 * @param[in]  ctx           Scratch of arm_convolve_s8_get_buffer_size() bytes, none for 1x1 without padding and dilation
 * @param[in]  conv_params   As of arm_convolve_wrapper_s8, as are all that follow; the bias has nothing folded in
 * @param[in]  quant_params  Multiplier and shift of each output channel
 * @param[in]  input_dims    Input dimensions [1, H, W, C_IN]
 * @param[in]  input         Input data
 * @param[in]  filter_dims   Filter dimensions [C_OUT, HK, WK, C_IN]
 * @param[in]  filter        Weights
 * @param[in]  bias_dims     Bias dimensions
 * @param[in]  bias          Bias of each output channel
 * @param[in]  output_dims   Output dimensions [1, H, W, C_OUT]
 * @param[out] output        Output data
 * @return                   What CMSIS-NN returned for the last strip done
 */
arm_cmsis_nn_status sparsec_convolve_strips_s8(int32_t strip,
                                               const cmsis_nn_context *ctx,
                                               const cmsis_nn_conv_params *conv_params,
                                               const cmsis_nn_per_channel_quant_params *quant_params,
                                               const cmsis_nn_dims *input_dims,
                                               const int8_t *input,
                                               const cmsis_nn_dims *filter_dims,
                                               const int8_t *filter,
                                               const cmsis_nn_dims *bias_dims,
                                               const int32_t *bias,
                                               const cmsis_nn_dims *output_dims,
                                               int8_t *output);

/**
 * @brief arm_depthwise_conv_wrapper_s8 strip by strip (see sparsec_convolve_strips_s8).
 *
 * @param[in]  strip           Rows or pixels of the output in a strip, at least 1
 * @param[in]  ctx             Scratch of arm_depthwise_conv_wrapper_s8_get_buffer_size() bytes, the most of any strip
 * @param[in]  dw_conv_params  As of arm_depthwise_conv_wrapper_s8, as are all that follow
 * @param[in]  quant_params    Multiplier and shift of each output channel
 * @param[in]  input_dims      Input dimensions [1, H, W, C_IN]
 * @param[in]  input           Input data
 * @param[in]  filter_dims     Filter dimensions [1, HK, WK, C_OUT]
 * @param[in]  filter          Weights
 * @param[in]  bias_dims       Bias dimensions
 * @param[in]  bias            Bias of each output channel, nothing folded in
 * @param[in]  output_dims     Output dimensions [1, H, W, C_OUT]
 * @param[out] output          Output data
 * @return                     What CMSIS-NN returned for the last strip done
 */
arm_cmsis_nn_status sparsec_depthwise_conv_strips_s8(int32_t strip,
                                                     const cmsis_nn_context *ctx,
                                                     const cmsis_nn_dw_conv_params *dw_conv_params,
                                                     const cmsis_nn_per_channel_quant_params *quant_params,
                                                     const cmsis_nn_dims *input_dims,
                                                     const int8_t *input,
                                                     const cmsis_nn_dims *filter_dims,
                                                     const int8_t *filter,
                                                     const cmsis_nn_dims *bias_dims,
                                                     const int32_t *bias,
                                                     const cmsis_nn_dims *output_dims,
                                                     int8_t *output);

/**
 * @brief sparsec_convolve_packed_s8 strip by strip (see sparsec_convolve_strips_s8).
 *
 * @param[in]  strip        Rows or pixels of the output in a strip, at least 1; rows must not be paired in `rows`
 * @param[in]  ctx          Scratch as of sparsec_convolve_packed_s8, as are all that follow
 * @param[in]  conv_params  Offsets, stride, padding, dilation and clamp
 * @param[in]  input_dims   Input dimensions [1, H, W, C_IN]
 * @param[in]  input        Input data
 * @param[in]  filter_dims  Filter dimensions [C_OUT, HK, WK, C_IN], `h` and `w` are read
 * @param[in]  rows         The layer's rows
 * @param[in]  output_dims  Output dimensions [1, H, W, C_OUT]
 * @param[out] output       Output data
 */
void sparsec_convolve_packed_strips_s8(int32_t strip,
                                       const cmsis_nn_context *ctx,
                                       const cmsis_nn_conv_params *conv_params,
                                       const cmsis_nn_dims *input_dims,
                                       const int8_t *input,
                                       const cmsis_nn_dims *filter_dims,
                                       const int32_t *rows,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output);

/**
 * @brief sparsec_convolve_delta8_s8 strip by strip (see sparsec_convolve_strips_s8).
 *
 * @param[in]  strip         Rows or pixels of the output in a strip, at least 1
 * @param[in]  ctx           Scratch as of sparsec_convolve_delta8_s8, as are all that follow
 * @param[in]  conv_params   Offsets, stride, padding, dilation and clamp
 * @param[in]  quant_params  Multiplier and shift of each output channel
 * @param[in]  input_dims    Input dimensions [1, H, W, C_IN]
 * @param[in]  input         Input data
 * @param[in]  filter_dims   Filter dimensions [C_OUT, HK, WK, C_IN], `h` and `w` are read
 * @param[in]  entries       Entries of all rows
 * @param[in]  counts        Number of entries of each row
 * @param[in]  bias          Bias of each output channel, the input offset folded in
 * @param[in]  output_dims   Output dimensions [1, H, W, C_OUT]
 * @param[out] output        Output data
 */
void sparsec_convolve_delta8_strips_s8(int32_t strip,
                                       const cmsis_nn_context *ctx,
                                       const cmsis_nn_conv_params *conv_params,
                                       const cmsis_nn_per_channel_quant_params *quant_params,
                                       const cmsis_nn_dims *input_dims,
                                       const int8_t *input,
                                       const cmsis_nn_dims *filter_dims,
                                       const uint8_t *entries,
                                       const uint16_t *counts,
                                       const int32_t *bias,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output);

/**
 * @brief arm_convolve_wrapper_s8 of a 1x1 kernel, then arm_depthwise_conv_wrapper_s8, row by row of the output.
 *
 * The image between them never exists as a whole. A row of the input is read once, before the first row of the output is
 * written that needs it, so that the output may lie over rows of the input that have been read; sparsec/ir/rt/fused.py
 * says how far. The input is lost then.
 *
 * @param[in]  ctx                Scratch: the rows of one window of the image between, rounded up to 8 bytes, then
 *                                arm_depthwise_conv_wrapper_s8_get_buffer_size() bytes
 * @param[in]  conv_params        Offsets and clamp of the 1x1 convolution, stride and dilation 1, no padding
 * @param[in]  conv_quant_params  Its multiplier and shift of each output channel
 * @param[in]  input_dims         Input dimensions [1, H, W, C_IN]
 * @param[in]  input              Input data
 * @param[in]  conv_filter        Its weights [C, 1, 1, C_IN]
 * @param[in]  conv_bias          Its bias, nothing folded in
 * @param[in]  dw_conv_params     As of arm_depthwise_conv_wrapper_s8, as are all that follow
 * @param[in]  dw_quant_params    Multiplier and shift of each output channel
 * @param[in]  filter_dims        Filter dimensions [1, HK, WK, C_OUT]
 * @param[in]  filter             Weights
 * @param[in]  bias               Bias of each output channel, nothing folded in
 * @param[in]  output_dims        Output dimensions [1, H, W, C_OUT]
 * @param[out] output             Output data
 * @return                        What CMSIS-NN returned for the last row done
 */
arm_cmsis_nn_status sparsec_point_depthwise_s8(const cmsis_nn_context *ctx,
                                               const cmsis_nn_conv_params *conv_params,
                                               const cmsis_nn_per_channel_quant_params *conv_quant_params,
                                               const cmsis_nn_dims *input_dims,
                                               const int8_t *input,
                                               const int8_t *conv_filter,
                                               const int32_t *conv_bias,
                                               const cmsis_nn_dw_conv_params *dw_conv_params,
                                               const cmsis_nn_per_channel_quant_params *dw_quant_params,
                                               const cmsis_nn_dims *filter_dims,
                                               const int8_t *filter,
                                               const int32_t *bias,
                                               const cmsis_nn_dims *output_dims,
                                               int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
