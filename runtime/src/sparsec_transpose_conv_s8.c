/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each output pixel gathers the taps that reach it, so that no accumulator waits in memory. Pixels one stride apart meet
 * the same weights: they are computed in pairs, two output channels at a time.
 */

#include "sparsec.h"
#include "sparsec_arch.h"

/* Along one axis: the `count` input positions from `first` on reach an output position, the first one through the
 * element `tap` of the kernel, each following one through the element `stride` before. */
typedef struct
{
    int32_t first;
    int32_t count;
    int32_t tap;
} reach;

/* `position` counts from the start of the padding. */
static inline reach
reach_of(const int32_t position, const int32_t stride, const int32_t kernel_size, const int32_t input_size)
{
    const int32_t beyond = position - kernel_size;
    const int32_t first = beyond < 0 ? 0 : beyond / stride + 1;
    const int32_t newest = position / stride;
    const int32_t end = newest < input_size ? newest + 1 : input_size;
    if (end <= first)
    {
        const reach none = {0, 0, 0};
        return none;
    }
    const reach result = {first, end - first, position - first * stride};
    return result;
}

#if defined(ARM_MATH_DSP) && !defined(ARM_MATH_MVEI)

/* Four products: `even` and `odd` are the bytes 0, 2 and 1, 3 of the input, widened. */
    #define MAC_X4(even, odd, weights_even, weights_odd, acc) \
        ((int32_t)SMLAD((odd), (weights_odd), (uint32_t)SMLAD((even), (weights_even), (uint32_t)(acc))))

#endif

#if defined(ARM_MATH_MVEI)

/* Dot products of the weights of two output channels with the inputs of `pixels`, 1 or 2, pixels, added to `acc`, which
 * is [pixel][output channel]; the second input lies `channels` behind the first one. */
static inline void dot(const int8_t *input,
                       const int8_t *weights,
                       const int32_t row_bytes,
                       const int32_t channels,
                       const int32_t offset,
                       const int32_t pixels,
                       int32_t acc[4])
{
    int32_t acc00 = acc[0];
    int32_t acc01 = acc[1];
    int32_t acc10 = acc[2];
    int32_t acc11 = acc[3];
    int32_t sum0 = 0;
    int32_t sum1 = 0;
    for (int32_t i = 0; i < channels; i += 16)
    {
        const mve_pred16_t p = vctp8q((uint32_t)(channels - i));
        const int8x16_t w0 = vldrbq_z_s8(weights + i, p);
        const int8x16_t w1 = vldrbq_z_s8(weights + row_bytes + i, p);
        const int8x16_t x0 = vldrbq_z_s8(input + i, p);
        sum0 = vaddvaq_s8(sum0, w0);
        sum1 = vaddvaq_s8(sum1, w1);
        acc00 = vmladavaq_s8(acc00, x0, w0);
        acc01 = vmladavaq_s8(acc01, x0, w1);
        if (pixels == 2)
        {
            const int8x16_t x1 = vldrbq_z_s8(input + channels + i, p);
            acc10 = vmladavaq_s8(acc10, x1, w0);
            acc11 = vmladavaq_s8(acc11, x1, w1);
        }
    }
    acc[0] = acc00 + offset * sum0;
    acc[1] = acc01 + offset * sum1;
    acc[2] = acc10 + offset * sum0;
    acc[3] = acc11 + offset * sum1;
}

#else

/* Dot products of the weights of two output channels with the inputs of `pixels`, 1 or 2, pixels, added to `acc`, which
 * is [pixel][output channel]; the second input lies `channels` behind the first one. */
static inline void dot(const int8_t *input,
                       const int8_t *weights,
                       const int32_t row_bytes,
                       const int32_t channels,
                       const int32_t offset,
                       const int32_t pixels,
                       int32_t acc[4])
{
    int32_t acc00 = acc[0];
    int32_t acc01 = acc[1];
    int32_t acc10 = acc[2];
    int32_t acc11 = acc[3];
    const int8_t *const end = input + channels;
    #if defined(ARM_MATH_DSP)
    const uint32_t offsets = (uint16_t)offset * 0x00010001u;
    const int8_t *const end_x4 = input + (channels & ~3);
    while (input != end_x4)
    {
        const uint32_t x0 = (uint32_t)arm_nn_read_s8x4(input);
        const uint32_t x0_even = (uint32_t)SXTAB16(offsets, x0);
        const uint32_t x0_odd = (uint32_t)SXTAB16_RORn(offsets, x0, 8);
        const uint32_t w0 = (uint32_t)arm_nn_read_s8x4(weights);
        const uint32_t w0_even = (uint32_t)SXTB16(w0);
        const uint32_t w0_odd = (uint32_t)SXTB16_RORn(w0, 8);
        acc00 = MAC_X4(x0_even, x0_odd, w0_even, w0_odd, acc00);
        const uint32_t w1 = (uint32_t)arm_nn_read_s8x4(weights + row_bytes);
        const uint32_t w1_even = (uint32_t)SXTB16(w1);
        const uint32_t w1_odd = (uint32_t)SXTB16_RORn(w1, 8);
        acc01 = MAC_X4(x0_even, x0_odd, w1_even, w1_odd, acc01);
        if (pixels == 2)
        {
            const uint32_t x1 = (uint32_t)arm_nn_read_s8x4(input + channels);
            const uint32_t x1_even = (uint32_t)SXTAB16(offsets, x1);
            const uint32_t x1_odd = (uint32_t)SXTAB16_RORn(offsets, x1, 8);
            acc10 = MAC_X4(x1_even, x1_odd, w0_even, w0_odd, acc10);
            acc11 = MAC_X4(x1_even, x1_odd, w1_even, w1_odd, acc11);
        }
        input += 4;
        weights += 4;
    }
    #endif
    while (input != end)
    {
        const int32_t x0 = input[0] + offset;
        acc00 += x0 * weights[0];
        acc01 += x0 * weights[row_bytes];
        if (pixels == 2)
        {
            const int32_t x1 = input[channels] + offset;
            acc10 += x1 * weights[0];
            acc11 += x1 * weights[row_bytes];
        }
        input++;
        weights++;
    }
    acc[0] = acc00;
    acc[1] = acc01;
    acc[2] = acc10;
    acc[3] = acc11;
}

#endif

/* Functions of their own, so that their loops have all registers. */
static SPARSEC_NOINLINE void dot_x1(const int8_t *input,
                                    const int8_t *weights,
                                    const int32_t row_bytes,
                                    const int32_t channels,
                                    const int32_t offset,
                                    int32_t acc[4])
{
    dot(input, weights, row_bytes, channels, offset, 1, acc);
}

static SPARSEC_NOINLINE void dot_x2(const int8_t *input,
                                    const int8_t *weights,
                                    const int32_t row_bytes,
                                    const int32_t channels,
                                    const int32_t offset,
                                    int32_t acc[4])
{
    dot(input, weights, row_bytes, channels, offset, 2, acc);
}

/* What one or two pixels read, for all output channels. */
typedef struct
{
    const int8_t *input;
    int32_t rows;
    int32_t columns;
    int32_t channels;
    int32_t input_row;  /* Bytes to the next row of the input */
    int32_t tap_row;    /* Bytes back to the weights that it meets */
    int32_t tap_column; /* Bytes back to the weights that the next pixel of a row meets */
    int32_t input_offset;
    bool pair;
} window;

/* `weights` are those of the first tap. */
static SPARSEC_NOINLINE void
accumulate(const window *const w, const int8_t *weights, const int32_t row_bytes, int32_t acc[4])
{
    for (int32_t row = 0; row < w->rows; row++)
    {
        const int8_t *input = w->input + row * w->input_row;
        int32_t back = row * w->tap_row;
        for (int32_t column = 0; column < w->columns; column++)
        {
            if (w->pair)
            {
                dot_x2(input, weights - back, row_bytes, w->channels, w->input_offset, acc);
            }
            else
            {
                dot_x1(input, weights - back, row_bytes, w->channels, w->input_offset, acc);
            }
            input += w->channels;
            back += w->tap_column;
        }
    }
}

/* One output channel of one or two pixels, `stride` bytes apart; their accumulators are every second one. */
static inline void store(const int32_t *acc,
                         const int32_t pixels,
                         const int32_t multiplier,
                         const int32_t shift,
                         const cmsis_nn_transpose_conv_params *params,
                         int8_t *output,
                         const int32_t stride)
{
    output[0] = sparsec_output(acc[0], multiplier, shift, params->output_offset, &params->activation);
    if (pixels == 2)
    {
        output[stride] = sparsec_output(acc[2], multiplier, shift, params->output_offset, &params->activation);
    }
}

/* Two output channels of one or two pixels: bytes from the accumulators [pixel][output channel]. */
static inline void store_pair(const int32_t *acc,
                              const int32_t pixels,
                              const int32_t *multiplier,
                              const int32_t *shift,
                              const cmsis_nn_transpose_conv_params *params,
                              int8_t *output,
                              const int32_t stride)
{
#if defined(ARM_MATH_MVEI)
    const uint32x4_t words = {0, 4, 0, 4};
    const uint32x4_t bytes = {0, 1, (uint32_t)stride, (uint32_t)stride + 1};
    int32x4_t result = arm_requantize_mve_32x4(vldrwq_s32(acc),
                                               vldrwq_gather_offset_s32(multiplier, words),
                                               vldrwq_gather_offset_s32(shift, words));
    result = vaddq_n_s32(result, params->output_offset);
    result = vmaxq_s32(result, vdupq_n_s32(params->activation.min));
    result = vminq_s32(result, vdupq_n_s32(params->activation.max));
    vstrbq_scatter_offset_p_s32(output, bytes, result, vctp32q(2 * (uint32_t)pixels));
#else
    for (int32_t i = 0; i < 2; i++)
    {
        store(acc + i, pixels, multiplier[i], shift[i], params, output + i, stride);
    }
#endif
}

/* All output channels of one or two pixels, the second one `stride` bytes behind the first one. */
static SPARSEC_NOINLINE void convolve(const window *const w,
                                      const int8_t *weights,
                                      const int32_t row_bytes,
                                      const int32_t *bias,
                                      const cmsis_nn_transpose_conv_params *params,
                                      const cmsis_nn_per_channel_quant_params *quant_params,
                                      const int32_t out_channels,
                                      int8_t *output,
                                      const int32_t stride)
{
    const int32_t pixels = w->pair ? 2 : 1;
    const int32_t *const multiplier = quant_params->multiplier;
    const int32_t *const shift = quant_params->shift;
    int32_t channel = 0;
    for (; channel + 2 <= out_channels; channel += 2)
    {
        int32_t acc[4] = {bias[channel], bias[channel + 1], bias[channel], bias[channel + 1]};
        accumulate(w, weights, row_bytes, acc);
        store_pair(acc, pixels, multiplier + channel, shift + channel, params, output + channel, stride);
        weights += 2 * row_bytes;
    }
    if (channel < out_channels)
    {
        /* The last channel of an odd number of them is its own neighbour. */
        int32_t acc[4] = {bias[channel], bias[channel], bias[channel], bias[channel]};
        accumulate(w, weights, 0, acc);
        store(acc, pixels, multiplier[channel], shift[channel], params, output + channel, stride);
    }
}

void sparsec_transpose_conv_s8(const cmsis_nn_transpose_conv_params *transpose_conv_params,
                               const cmsis_nn_per_channel_quant_params *quant_params,
                               const cmsis_nn_dims *input_dims,
                               const int8_t *input,
                               const cmsis_nn_dims *filter_dims,
                               const int8_t *filter,
                               const int32_t *bias,
                               const cmsis_nn_dims *output_dims,
                               int8_t *output)
{
    const cmsis_nn_tile stride = transpose_conv_params->stride;
    const cmsis_nn_tile padding = transpose_conv_params->padding;
    const int32_t channels = input_dims->c;
    const int32_t out_channels = output_dims->c;
    window w;
    w.channels = channels;
    w.input_row = input_dims->w * channels;
    w.tap_row = stride.h * filter_dims->w * channels;
    w.tap_column = stride.w * channels;
    w.input_offset = transpose_conv_params->input_offset;
    for (int32_t y = 0; y < output_dims->h; y++)
    {
        const reach rows = reach_of(y + padding.h, stride.h, filter_dims->h, input_dims->h);
        w.rows = rows.count;
        for (int32_t phase = 0; phase < stride.w; phase++)
        {
            int32_t x = phase;
            while (x < output_dims->w)
            {
                const int32_t neighbour = x + stride.w;
                const reach columns = reach_of(x + padding.w, stride.w, filter_dims->w, input_dims->w);
                const reach next = reach_of(neighbour + padding.w, stride.w, filter_dims->w, input_dims->w);
                w.columns = columns.count;
                w.input = input + (rows.first * input_dims->w + columns.first) * channels;
                w.pair = neighbour < output_dims->w && next.tap == columns.tap && next.count == columns.count;
                convolve(&w,
                         filter + (rows.tap * filter_dims->w + columns.tap) * channels,
                         filter_dims->h * filter_dims->w * channels,
                         bias,
                         transpose_conv_params,
                         quant_params,
                         out_channels,
                         output + (y * output_dims->w + x) * out_channels,
                         stride.w * out_channels);
                x = w.pair ? neighbour + stride.w : neighbour;
            }
        }
    }
}
