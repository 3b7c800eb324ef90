/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * NHWC to channel-major. On Helium the words of four channels are gathered from sixteen pixels, and a load that takes
 * every fourth byte apart makes planes of them.
 */

#include "sparsec.h"
#include "sparsec_arch.h"
#include "sparsec_planes.h"

#if defined(ARM_MATH_MVEI)

/* `count` neighbouring pixels, up to 16, of four channels. */
static inline void four_channels(const int8_t *input,
                                 const uint32x4_t offsets,
                                 const int32_t channels,
                                 const int32_t count,
                                 int8_t *plane,
                                 const int32_t size)
{
    uint8_t words[64];
    for (int32_t i = 0; 4 * i < count; i++)
    {
        const uint32_t *pixels = (const uint32_t *)(const void *)(input + 4 * i * channels);
        const uint32x4_t four = count == 16
                                    ? vldrwq_gather_offset_u32(pixels, offsets)
                                    : vldrwq_gather_offset_z_u32(pixels, offsets, vctp32q((uint32_t)(count - 4 * i)));
        vst1q_u8(words + 16 * i, vreinterpretq_u8_u32(four));
    }
    const uint8x16x4_t apart = vld4q_u8(words);
    for (int32_t i = 0; i < 4; i++)
    {
        if (count == 16)
        {
            vst1q_s8(plane, vreinterpretq_s8_u8(apart.val[i]));
        }
        else
        {
            vstrbq_p_s8(plane, vreinterpretq_s8_u8(apart.val[i]), vctp8q((uint32_t)count));
        }
        plane += size;
    }
}

/* A row of pixels. */
static void
row_of_pixels(const int8_t *input, const int32_t pixels, const int32_t channels, int8_t *planes, const int32_t size)
{
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)channels);
    int32_t c = 0;
    for (; channels % 4 == 0 && c < channels; c += 4)
    {
        int32_t x = 0;
        for (; x + 16 <= pixels; x += 16)
        {
            four_channels(input + x * channels + c, offsets, channels, 16, planes + x, size);
        }
        if (x < pixels)
        {
            four_channels(input + x * channels + c, offsets, channels, pixels - x, planes + x, size);
        }
        planes += 4 * size;
    }
    for (; c < channels; c++)
    {
        for (int32_t x = 0; x < pixels; x += 4)
        {
            const mve_pred16_t inside = vctp32q((uint32_t)(pixels - x));
            const int32x4_t four = vldrbq_gather_offset_z_s32(input + x * channels + c, offsets, inside);
            vstrbq_p_s32(planes + x, four, inside);
        }
        planes += size;
    }
}

#else

static void
row_of_pixels(const int8_t *input, const int32_t pixels, const int32_t channels, int8_t *planes, const int32_t size)
{
    for (int32_t c = 0; c < channels; c++)
    {
        for (int32_t x = 0; x < pixels; x++)
        {
            planes[x] = input[x * channels + c];
        }
        planes += size;
    }
}

#endif

void sparsec_to_channel_major_s8(const cmsis_nn_dims *dims,
                                 const int8_t *input,
                                 const sparsec_planes *planes,
                                 int8_t *output)
{
    const int32_t rows = planes->pitch == dims->w ? 1 : dims->h;
    const int32_t pixels = dims->h * dims->w / rows;
    int8_t *row = output + planes->first;
    for (int32_t y = 0; y < rows; y++)
    {
        row_of_pixels(input, pixels, dims->c, row, planes->plane);
        input += pixels * dims->c;
        row += planes->pitch;
    }
    sparsec_fill_gaps(dims, planes, output);
}
