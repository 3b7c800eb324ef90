/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Strips of LANES output pixels: the windows of a strip are laid out as [column][lane] in the scratch buffer, and each
 * row of weights is walked once per strip with one accumulator per pixel.
 */

#include "sparsec.h"
#include "sparsec_arch.h"

/* A column of the scratch buffer takes 16 bytes either way. */
#if defined(ARM_MATH_MVEI)
    #define LANES 16
typedef int8_t lane_t;
#else
    #define LANES 8
typedef int16_t lane_t;
#endif

/* A row of fewer entries than this and a bias within +-2^29 stays below 2^30. */
#define BOUNDED_ENTRIES 32768
#define BOUNDED_BIAS (1 << 29)

static lane_t *fill_lane(lane_t *lane, const int32_t value, const int32_t count)
{
    for (int32_t i = 0; i < count; i++)
    {
        *lane = (lane_t)value;
        lane += LANES;
    }
    return lane;
}

static lane_t *copy_lane(lane_t *lane, const int8_t *input, const int32_t count)
{
    const int8_t *const end = input + count;
#if defined(ARM_MATH_MVEI)
    const uint8x16_t offsets = vmulq_n_u8(vidupq_n_u8(0, 1), LANES);
    while (end - input >= 16)
    {
        vstrbq_scatter_offset_s8(lane, offsets, vldrbq_s8(input));
        lane += 16 * LANES;
        input += 16;
    }
#elif defined(__GNUC__)
    #pragma GCC unroll 8
#endif
    while (input != end)
    {
        *lane = *input++;
        lane += LANES;
    }
    return lane;
}

/* Row `ky` of the window at column `x` of an input row; the columns outside it read as padding. */
static lane_t *pack_window_row(lane_t *lane,
                               const int8_t *input_row,
                               const int32_t x,
                               const int32_t padding,
                               const cmsis_nn_conv_params *conv_params,
                               const cmsis_nn_dims *input_dims,
                               const cmsis_nn_dims *filter_dims)
{
    const int32_t channels = input_dims->c;
    if (conv_params->dilation.w == 1 && x >= 0 && x + filter_dims->w <= input_dims->w)
    {
        return copy_lane(lane, input_row + x * channels, filter_dims->w * channels);
    }
    for (int32_t kx = 0; kx < filter_dims->w; kx++)
    {
        const int32_t tap = x + kx * conv_params->dilation.w;
        lane = tap >= 0 && tap < input_dims->w ? copy_lane(lane, input_row + tap * channels, channels)
                                               : fill_lane(lane, padding, channels);
    }
    return lane;
}

/* The windows of `count` pixels from (y, x) on; lanes without a pixel are zero, so that they cannot overflow. */
static SPARSEC_NOINLINE void pack_strip(lane_t *lanes,
                                        const int32_t count,
                                        int32_t y,
                                        int32_t x,
                                        const cmsis_nn_conv_params *conv_params,
                                        const cmsis_nn_dims *input_dims,
                                        const int8_t *input,
                                        const cmsis_nn_dims *filter_dims,
                                        const cmsis_nn_dims *output_dims)
{
    const int32_t row_bytes = input_dims->w * input_dims->c;
    const int32_t padding = -conv_params->input_offset;
    for (int32_t i = 0; i < count; i++)
    {
        lane_t *lane = lanes + i;
        const int32_t input_x = x * conv_params->stride.w - conv_params->padding.w;
        int32_t input_y = y * conv_params->stride.h - conv_params->padding.h;
        for (int32_t ky = 0; ky < filter_dims->h; ky++)
        {
            lane = input_y >= 0 && input_y < input_dims->h ? pack_window_row(lane,
                                                                             input + input_y * row_bytes,
                                                                             input_x,
                                                                             padding,
                                                                             conv_params,
                                                                             input_dims,
                                                                             filter_dims)
                                                           : fill_lane(lane, padding, filter_dims->w * input_dims->c);
            input_y += conv_params->dilation.h;
        }
        if (++x == output_dims->w)
        {
            x = 0;
            y++;
        }
    }
    for (int32_t i = count; i < LANES; i++)
    {
        fill_lane(lanes + i, 0, filter_dims->h * filter_dims->w * input_dims->c);
    }
}

#if defined(ARM_MATH_MVEI)

/* Four lanes of a row; `lanes` points at the first of them. */
static inline int32x4_t accumulate_x4(const lane_t *lanes, const uint8_t *entry, int32_t count, const int32_t bias)
{
    int32x4_t acc = vdupq_n_s32(bias);
    for (; count > 0; count--)
    {
        lanes += LANES * entry[0];
        acc = vmlaq_n_s32(acc, vldrbq_s32(lanes), (int8_t)entry[1]);
        entry += 2;
    }
    return acc;
}

/* All lanes of a row. */
static inline void
accumulate_x16(const lane_t *lanes, const uint8_t *entry, int32_t count, const int32_t bias, int32x4_t acc[4])
{
    int32x4_t acc0 = vdupq_n_s32(bias);
    int32x4_t acc1 = acc0;
    int32x4_t acc2 = acc0;
    int32x4_t acc3 = acc0;
    for (; count > 0; count--)
    {
        const int32_t weight = (int8_t)entry[1];
        lanes += LANES * entry[0];
        entry += 2;
        acc0 = vmlaq_n_s32(acc0, vldrbq_s32(lanes), weight);
        acc1 = vmlaq_n_s32(acc1, vldrbq_s32(lanes + 4), weight);
        acc2 = vmlaq_n_s32(acc2, vldrbq_s32(lanes + 8), weight);
        acc3 = vmlaq_n_s32(acc3, vldrbq_s32(lanes + 12), weight);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

/* Four accumulators of one output channel to bytes, of which the first `count` are stored, at `offsets`. */
static inline void store_x4(const int32x4_t acc,
                            const int32_t count,
                            const int32_t multiplier,
                            const int32_t shift,
                            const cmsis_nn_conv_params *conv_params,
                            int8_t *output,
                            const uint32x4_t offsets)
{
    int32x4_t result = arm_requantize_mve(acc, multiplier, shift);
    result = vaddq_n_s32(result, conv_params->output_offset);
    result = vmaxq_s32(result, vdupq_n_s32(conv_params->activation.min));
    result = vminq_s32(result, vdupq_n_s32(conv_params->activation.max));
    vstrbq_scatter_offset_p_s32(output, offsets, result, vctp32q((uint32_t)count));
}

/* All output channels of up to LANES pixels. */
static SPARSEC_NOINLINE void convolve_strip(const lane_t *lanes,
                                            const int32_t pixels,
                                            const cmsis_nn_conv_params *conv_params,
                                            const cmsis_nn_per_channel_quant_params *quant_params,
                                            const uint8_t *entry,
                                            const uint16_t *counts,
                                            const int32_t *bias,
                                            const int32_t channels,
                                            int8_t *output)
{
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)channels);
    for (int32_t row = 0; row < channels; row++)
    {
        const int32_t count = counts[row];
        const int32_t multiplier = quant_params->multiplier[row];
        const int32_t shift = quant_params->shift[row];
        int32x4_t acc[LANES / 4];
        if (pixels > LANES / 2)
        {
            accumulate_x16(lanes, entry, count, bias[row], acc);
        }
        else
        {
            acc[0] = accumulate_x4(lanes, entry, count, bias[row]);
            acc[1] = pixels > 4 ? accumulate_x4(lanes + 4, entry, count, bias[row]) : acc[0];
        }
        for (int32_t i = 0; i < pixels; i += 4)
        {
            store_x4(acc[i / 4], pixels - i, multiplier, shift, conv_params, output + row + i * channels, offsets);
        }
        entry += 2 * count;
    }
}

#else

/* Two neighbouring lanes in one word, the first in the half that comes first in memory. */
typedef struct
{
    int32_t first;
    int32_t second;
} lane_words;

static inline lane_words load_lanes(const lane_t *lanes)
{
    lane_words words;
    #if defined(__GNUC__)
    lanes = (const lane_t *)__builtin_assume_aligned(lanes, 8);
    #endif
    memcpy(&words, lanes, sizeof(words));
    return words;
}

    #if defined(ARM_MATH_DSP)
        #define MAC_LOW(lanes, weight, acc) __smlabb((lanes), (weight), (acc))
        #define MAC_HIGH(lanes, weight, acc) __smlatb((lanes), (weight), (acc))
    #else
        #define MAC_LOW(lanes, weight, acc) ((acc) + (int16_t)(lanes) * (weight))
        #define MAC_HIGH(lanes, weight, acc) ((acc) + ((lanes) >> 16) * (weight))
    #endif

static inline void
accumulate_x8(const lane_t *lanes, const uint8_t *entry, const uint8_t *end, const int32_t bias, int32_t acc[8])
{
    int32_t acc0 = bias;
    int32_t acc1 = bias;
    int32_t acc2 = bias;
    int32_t acc3 = bias;
    int32_t acc4 = bias;
    int32_t acc5 = bias;
    int32_t acc6 = bias;
    int32_t acc7 = bias;
    #if defined(__GNUC__)
        #pragma GCC unroll 2
    #endif
    while (entry != end)
    {
        const int32_t weight = (int8_t)entry[1];
        lanes += LANES * entry[0];
        entry += 2;
        const lane_words left = load_lanes(lanes);
        acc0 = MAC_LOW(left.first, weight, acc0);
        acc1 = MAC_HIGH(left.first, weight, acc1);
        acc2 = MAC_LOW(left.second, weight, acc2);
        acc3 = MAC_HIGH(left.second, weight, acc3);
        const lane_words right = load_lanes(lanes + 4);
        acc4 = MAC_LOW(right.first, weight, acc4);
        acc5 = MAC_HIGH(right.first, weight, acc5);
        acc6 = MAC_LOW(right.second, weight, acc6);
        acc7 = MAC_HIGH(right.second, weight, acc7);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
    acc[4] = acc4;
    acc[5] = acc5;
    acc[6] = acc6;
    acc[7] = acc7;
}

static inline void
accumulate_x4(const lane_t *lanes, const uint8_t *entry, const uint8_t *end, const int32_t bias, int32_t acc[4])
{
    int32_t acc0 = bias;
    int32_t acc1 = bias;
    int32_t acc2 = bias;
    int32_t acc3 = bias;
    while (entry != end)
    {
        const int32_t weight = (int8_t)entry[1];
        lanes += LANES * entry[0];
        entry += 2;
        const lane_words words = load_lanes(lanes);
        acc0 = MAC_LOW(words.first, weight, acc0);
        acc1 = MAC_HIGH(words.first, weight, acc1);
        acc2 = MAC_LOW(words.second, weight, acc2);
        acc3 = MAC_HIGH(words.second, weight, acc3);
    }
    acc[0] = acc0;
    acc[1] = acc1;
    acc[2] = acc2;
    acc[3] = acc3;
}

static inline int32_t accumulate_x1(const lane_t *lanes, const uint8_t *entry, const uint8_t *end, int32_t acc)
{
    while (entry != end)
    {
        lanes += LANES * entry[0];
        acc += *lanes * (int8_t)entry[1];
        entry += 2;
    }
    return acc;
}

static SPARSEC_NOINLINE void store_channel(const int32_t *acc,
                                           const int32_t count,
                                           const int32_t multiplier,
                                           const int32_t shift,
                                           const cmsis_nn_conv_params *conv_params,
                                           int8_t *output,
                                           const int32_t stride)
{
    for (int32_t i = 0; i < count; i++)
    {
        *output = sparsec_output(acc[i], multiplier, shift, conv_params->output_offset, &conv_params->activation);
        output += stride;
    }
}

/* All output channels of LANES pixels. A function of its own, so that its loops have all registers. */
static SPARSEC_NOINLINE void convolve_full_strip(const lane_t *lanes,
                                                 const cmsis_nn_conv_params *conv_params,
                                                 const cmsis_nn_per_channel_quant_params *quant_params,
                                                 const uint8_t *entry,
                                                 const uint16_t *counts,
                                                 const int32_t *bias,
                                                 const int32_t channels,
                                                 int8_t *output)
{
    for (int32_t row = 0; row < channels; row++)
    {
        int32_t acc[LANES];
        const int32_t count = counts[row];
        const int32_t multiplier = quant_params->multiplier[row];
        const int32_t shift = quant_params->shift[row];
        const uint8_t *const end = entry + 2 * count;
        accumulate_x8(lanes, entry, end, bias[row], acc);
        entry = end;
        const bool bounded = count < BOUNDED_ENTRIES && bias[row] >= -BOUNDED_BIAS && bias[row] <= BOUNDED_BIAS;
        if (bounded && sparsec_is_saturated(shift, &conv_params->activation))
        {
            sparsec_store_saturated(acc, LANES, multiplier, shift, conv_params->output_offset, output + row, channels);
        }
        else
        {
            store_channel(acc, LANES, multiplier, shift, conv_params, output + row, channels);
        }
    }
}

/* All output channels of the last pixels, fewer than LANES. */
static SPARSEC_NOINLINE void convolve_last_strip(const lane_t *lanes,
                                                 const int32_t pixels,
                                                 const cmsis_nn_conv_params *conv_params,
                                                 const cmsis_nn_per_channel_quant_params *quant_params,
                                                 const uint8_t *entry,
                                                 const uint16_t *counts,
                                                 const int32_t *bias,
                                                 const int32_t channels,
                                                 int8_t *output)
{
    for (int32_t row = 0; row < channels; row++)
    {
        int32_t acc[LANES];
        const uint8_t *const end = entry + 2 * counts[row];
        if (pixels > 4)
        {
            accumulate_x8(lanes, entry, end, bias[row], acc);
        }
        else if (pixels > 1)
        {
            accumulate_x4(lanes, entry, end, bias[row], acc);
        }
        else
        {
            acc[0] = accumulate_x1(lanes, entry, end, bias[row]);
        }
        entry = end;
        store_channel(acc,
                      pixels,
                      quant_params->multiplier[row],
                      quant_params->shift[row],
                      conv_params,
                      output + row,
                      channels);
    }
}

#endif

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
                                int8_t *output)
{
    lane_t *const lanes = (lane_t *)ctx->buf;
    const int32_t channels = output_dims->c;
    const int32_t all_pixels = output_dims->h * output_dims->w;
    for (int32_t pixel = 0; pixel < all_pixels; pixel += LANES)
    {
        const int32_t pixels = all_pixels - pixel < LANES ? all_pixels - pixel : LANES;
        pack_strip(lanes,
                   pixels,
                   pixel / output_dims->w,
                   pixel % output_dims->w,
                   conv_params,
                   input_dims,
                   input,
                   filter_dims,
                   output_dims);
#if defined(ARM_MATH_MVEI)
        convolve_strip(lanes, pixels, conv_params, quant_params, entries, counts, bias, channels, output);
#else
        if (pixels == LANES)
        {
            convolve_full_strip(lanes, conv_params, quant_params, entries, counts, bias, channels, output);
        }
        else
        {
            convolve_last_strip(lanes, pixels, conv_params, quant_params, entries, counts, bias, channels, output);
        }
#endif
        output += LANES * channels;
    }
}
