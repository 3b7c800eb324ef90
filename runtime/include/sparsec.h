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
 * - Activations are int8, NHWC, batch 1. Shapes, ranges and sizes were checked when the network was compiled: a kernel
 *   checks nothing, allocates nothing and keeps no state.
 * - Parameters are CMSIS-NN's: offsets are `input_offset = -zero point of the input` and `output_offset = zero point of
 *   the output`, a positive shift is a left shift, and rounding is CMSIS-NN's default double rounding.
 * - A `bias` has the input offset folded in: `bias[o] = layer bias[o] + input_offset * sum(weights of row o)`, so that
 *   the kernel multiplies the stored int8 inputs. It is never NULL. Every accumulator has to fit in 32 bits.
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
 * @brief Any function of one int8 value: output[i] = table[input[i] + 128].
 *
 * @param[in]  size    Number of elements
 * @param[in]  input   Input data
 * @param[in]  table   The 256 results, for the inputs -128 to 127
 * @param[out] output  Output data; may be `input` (in place)
 */
void sparsec_lookup_s8(int32_t size, const int8_t *input, const int8_t *table, int8_t *output);

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
 * @brief Permute the dimensions of a tensor of up to four (the others are 1).
 *
 * @param[in]  input_strides  For each dimension of the output, the distance in bytes of two neighbours in the input
 * @param[in]  input          Input data
 * @param[in]  output_dims    Output dimensions
 * @param[out] output         Output data
 */
void sparsec_transpose_s8(const cmsis_nn_dims *input_strides,
                          const int8_t *input,
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
 * @brief Element-wise product of two tensors, each repeated end to end until it fills the output.
 *
 * @param[in]  input_1_offset  The negative of the first input's zero point
 * @param[in]  input_2_offset  The negative of the second input's zero point
 * @param[in]  output_offset   The output's zero point
 * @param[in]  activation      Lowest and highest result
 * @param[in]  quant_params    Multiplier and shift (at most 14) of input scale 1 * input scale 2 / output scale
 * @param[in]  input_1_size    Number of elements of the first input; divides `size`
 * @param[in]  input_1         First input
 * @param[in]  input_2_size    Number of elements of the second input; divides `size`
 * @param[in]  input_2         Second input
 * @param[in]  size            Number of elements of the output
 * @param[out] output          Output data; may be an input of `size` elements (in place)
 */
void sparsec_mul_s8(int32_t input_1_offset,
                    int32_t input_2_offset,
                    int32_t output_offset,
                    const cmsis_nn_activation *activation,
                    const cmsis_nn_per_tensor_quant_params *quant_params,
                    int32_t input_1_size,
                    const int8_t *input_1,
                    int32_t input_2_size,
                    const int8_t *input_2,
                    int32_t size,
                    int8_t *output);

/**
 * @brief Element-wise sum or difference of two tensors, each repeated end to end until it fills the output.
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
 * @param[in]  input_1_size    Number of elements of the first input; divides `size`
 * @param[in]  input_1         First input
 * @param[in]  input_2_size    Number of elements of the second input; divides `size`
 * @param[in]  input_2         Second input
 * @param[in]  size            Number of elements of the output
 * @param[out] output          Output data; may be an input of `size` elements (in place)
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
                    int32_t input_1_size,
                    const int8_t *input_1,
                    int32_t input_2_size,
                    const int8_t *input_2,
                    int32_t size,
                    int8_t *output);

/**
 * @brief The larger of two stored values of one scale and zero point; each input is repeated end to end until it fills
 *        the output.
 *
 * @param[in]  input_1_size  Number of elements of the first input; divides `size`
 * @param[in]  input_1       First input
 * @param[in]  input_2_size  Number of elements of the second input; divides `size`
 * @param[in]  input_2       Second input
 * @param[in]  size          Number of elements of the output
 * @param[out] output        Output data; may be an input of `size` elements (in place)
 */
void sparsec_maximum_s8(int32_t input_1_size,
                        const int8_t *input_1,
                        int32_t input_2_size,
                        const int8_t *input_2,
                        int32_t size,
                        int8_t *output);

/**
 * @brief The smaller of two stored values, otherwise as sparsec_maximum_s8.
 *
 * @param[in]  input_1_size  Number of elements of the first input; divides `size`
 * @param[in]  input_1       First input
 * @param[in]  input_2_size  Number of elements of the second input; divides `size`
 * @param[in]  input_2       Second input
 * @param[in]  size          Number of elements of the output
 * @param[out] output        Output data; may be an input of `size` elements (in place)
 */
void sparsec_minimum_s8(int32_t input_1_size,
                        const int8_t *input_1,
                        int32_t input_2_size,
                        const int8_t *input_2,
                        int32_t size,
                        int8_t *output);

/**
 * @brief TensorFlow Lite's PRELU: x, or x * alpha where x is negative; alpha is repeated end to end.
 *
 * @param[in]  input_offset        The negative of the input's zero point
 * @param[in]  alpha_offset        The negative of alpha's zero point
 * @param[in]  output_offset       The output's zero point
 * @param[in]  activation          Lowest and highest result
 * @param[in]  quant_params        Multiplier and shift of input scale / output scale
 * @param[in]  alpha_quant_params  Multiplier and shift (at most 14) of input scale * alpha scale / output scale
 * @param[in]  alpha_size          Number of elements of alpha; divides `size`
 * @param[in]  alpha               Slopes
 * @param[in]  size                Number of elements of the input
 * @param[in]  input               Input data
 * @param[out] output              Output data; may be `input` (in place)
 */
void sparsec_prelu_s8(int32_t input_offset,
                      int32_t alpha_offset,
                      int32_t output_offset,
                      const cmsis_nn_activation *activation,
                      const cmsis_nn_per_tensor_quant_params *quant_params,
                      const cmsis_nn_per_tensor_quant_params *alpha_quant_params,
                      int32_t alpha_size,
                      const int8_t *alpha,
                      int32_t size,
                      const int8_t *input,
                      int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
