/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_arch.h"

/* Pixels whose sum an int16 holds. */
#define BLOCK 256

#if defined(ARM_MATH_MVEI)

/* The results of eight channels. `even` and `odd` are the sums of their even and odd lanes. */
static inline int16x8_t results(const int32x4_t even,
                                const int32x4_t odd,
                                const int32_t output_offset,
                                const cmsis_nn_activation *activation,
                                const cmsis_nn_per_tensor_quant_params *quant_params)
{
    int32x4_t low = arm_requantize_mve(even, quant_params->multiplier, quant_params->shift);
    int32x4_t high = arm_requantize_mve(odd, quant_params->multiplier, quant_params->shift);
    low = vmaxq_s32(vaddq_n_s32(low, output_offset), vdupq_n_s32(activation->min));
    high = vmaxq_s32(vaddq_n_s32(high, output_offset), vdupq_n_s32(activation->min));
    low = vminq_s32(low, vdupq_n_s32(activation->max));
    high = vminq_s32(high, vdupq_n_s32(activation->max));
    return vmovntq_s32(vmovnbq_s32(vuninitializedq_s16(), low), high);
}

#else

static inline void add_four(const int8_t *input, const int32_t channels, const int32_t pixels, int32_t sums[4])
{
    #if defined(ARM_MATH_DSP)
    for (int32_t done = 0; done < pixels; done += BLOCK)
    {
        const int32_t count = pixels - done < BLOCK ? pixels - done : BLOCK;
        uint32_t even = 0;
        uint32_t odd = 0;
        #if defined(__GNUC__)
            #pragma GCC unroll 4
        #endif
        for (int32_t i = 0; i < count; i++)
        {
            const uint32_t word = (uint32_t)arm_nn_read_s8x4(input);
            even = SXTAB16(even, word);
            odd = SXTAB16_RORn(odd, word, 8);
            input += channels;
        }
        sums[0] += (int16_t)even;
        sums[1] += (int16_t)odd;
        sums[2] += (int32_t)even >> 16;
        sums[3] += (int32_t)odd >> 16;
    }
    #else
    for (int32_t i = 0; i < pixels; i++)
    {
        for (int32_t k = 0; k < 4; k++)
        {
            sums[k] += input[k];
        }
        input += channels;
    }
    #endif
}

#endif

/* The means of one image; `offset` is that of all pixels of a channel. */
static void mean_of_pixels(const int32_t offset,
                           const int32_t output_offset,
                           const cmsis_nn_activation *activation,
                           const cmsis_nn_per_tensor_quant_params *quant_params,
                           const int32_t pixels,
                           const int32_t channels,
                           const int8_t *input,
                           int8_t *output)
{
    int32_t c = 0;

#if defined(ARM_MATH_MVEI)
    for (; channels - c >= 16; c += 16)
    {
        int32x4_t sums[4] = {vdupq_n_s32(offset), vdupq_n_s32(offset), vdupq_n_s32(offset), vdupq_n_s32(offset)};
        const int8_t *pixel = input + c;
        for (int32_t done = 0; done < pixels; done += BLOCK)
        {
            const int32_t count = pixels - done < BLOCK ? pixels - done : BLOCK;
            int16x8_t first = vdupq_n_s16(0);
            int16x8_t second = vdupq_n_s16(0);
            for (int32_t i = 0; i < count; i++)
            {
                first = vaddq_s16(first, vldrbq_s16(pixel));
                second = vaddq_s16(second, vldrbq_s16(pixel + 8));
                pixel += channels;
            }
            sums[0] = vaddq_s32(sums[0], vmovlbq_s16(first));
            sums[1] = vaddq_s32(sums[1], vmovltq_s16(first));
            sums[2] = vaddq_s32(sums[2], vmovlbq_s16(second));
            sums[3] = vaddq_s32(sums[3], vmovltq_s16(second));
        }
        vstrbq_s16(output + c, results(sums[0], sums[1], output_offset, activation, quant_params));
        vstrbq_s16(output + c + 8, results(sums[2], sums[3], output_offset, activation, quant_params));
    }
    /* Eight at a time, of which the predicate keeps those that exist. */
    for (; c < channels; c += 8)
    {
        const mve_pred16_t exist = vctp16q((uint32_t)(channels - c));
        int32x4_t even = vdupq_n_s32(offset);
        int32x4_t odd = even;
        const int8_t *pixel = input + c;
        for (int32_t done = 0; done < pixels; done += BLOCK)
        {
            const int32_t count = pixels - done < BLOCK ? pixels - done : BLOCK;
            int16x8_t sums = vdupq_n_s16(0);
            for (int32_t i = 0; i < count; i++)
            {
                sums = vaddq_s16(sums, vldrbq_z_s16(pixel, exist));
                pixel += channels;
            }
            even = vaddq_s32(even, vmovlbq_s16(sums));
            odd = vaddq_s32(odd, vmovltq_s16(sums));
        }
        vstrbq_p_s16(output + c, results(even, odd, output_offset, activation, quant_params), exist);
    }
#else
    const int32_t multiplier = quant_params->multiplier;
    const int32_t shift = quant_params->shift;
    for (; channels - c >= 4; c += 4)
    {
        int32_t sums[4] = {offset, offset, offset, offset};
        add_four(input + c, channels, pixels, sums);
        for (int32_t k = 0; k < 4; k++)
        {
            output[c + k] = sparsec_output(sums[k], multiplier, shift, output_offset, activation);
        }
    }
    for (; c < channels; c++)
    {
        int32_t sum = offset;
        for (int32_t i = 0; i < pixels; i++)
        {
            sum += input[i * channels + c];
        }
        output[c] = sparsec_output(sum, multiplier, shift, output_offset, activation);
    }
#endif
}

/* The sum of bytes that lie side by side. */
static int32_t sum_of_row(const int8_t *row, const int32_t count)
{
    int32_t sum = 0;
    int32_t i = 0;
#if defined(ARM_MATH_MVEI)
    for (; i < count; i += 16)
    {
        const mve_pred16_t exist = vctp8q((uint32_t)(count - i));
        sum = vaddvaq_p_s8(sum, vldrbq_z_s8(row + i, exist), exist);
    }
#else
    #if defined(ARM_MATH_DSP)
    for (; count - i >= 4; i += 4)
    {
        const uint32_t word = (uint32_t)arm_nn_read_s8x4(row + i);
        sum = (int32_t)SMLAD(SXTB16(word), 0x00010001, (uint32_t)sum);
        sum = (int32_t)SMLAD(SXTB16_RORn(word, 8), 0x00010001, (uint32_t)sum);
    }
    #endif
    for (; i < count; i++)
    {
        sum += row[i];
    }
#endif
    return sum;
}

void sparsec_mean_s8(const int32_t input_offset,
                     const int32_t output_offset,
                     const cmsis_nn_activation *activation,
                     const cmsis_nn_per_tensor_quant_params *quant_params,
                     const cmsis_nn_dims *input_dims,
                     const int8_t *input,
                     int8_t *output)
{
    const int32_t pixels = input_dims->h * input_dims->w;
    const int32_t channels = input_dims->c;
    const int32_t offset = input_offset * pixels;
    for (int32_t n = 0; n < input_dims->n; n++)
    {
        if (channels == 1)
        {
            const int32_t sum = offset + sum_of_row(input, pixels);
            *output = sparsec_output(sum, quant_params->multiplier, quant_params->shift, output_offset, activation);
        }
        else
        {
            mean_of_pixels(offset, output_offset, activation, quant_params, pixels, channels, input, output);
        }
        input += pixels * channels;
        output += channels;
    }
}
