/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Channel-major to NHWC: the way back of sparsec_to_channel_major_s8.
 */

#include "sparsec.h"
#include "sparsec_arch.h"

#if defined(ARM_MATH_MVEI)

/* `count` neighbouring pixels, up to 16, of four channels. */
static inline void four_channels(const int8_t *plane,
                                 const int32_t size,
                                 const uint32x4_t offsets,
                                 const int32_t channels,
                                 const int32_t count,
                                 int8_t *output)
{
    uint8_t words[64];
    uint8x16x4_t apart;
    for (int32_t i = 0; i < 4; i++)
    {
        apart.val[i] = vreinterpretq_u8_s8(count == 16 ? vld1q_s8(plane) : vldrbq_z_s8(plane, vctp8q((uint32_t)count)));
        plane += size;
    }
    vst4q_u8(words, apart);
    for (int32_t i = 0; 4 * i < count; i++)
    {
        uint32_t *pixels = (uint32_t *)(void *)(output + 4 * i * channels);
        const uint32x4_t four = vreinterpretq_u32_u8(vld1q_u8(words + 16 * i));
        if (count == 16)
        {
            vstrwq_scatter_offset_u32(pixels, offsets, four);
        }
        else
        {
            vstrwq_scatter_offset_p_u32(pixels, offsets, four, count > 4 * i ? vctp32q((uint32_t)(count - 4 * i)) : 0);
        }
    }
}

/* A row of pixels. */
static void
row_of_pixels(const int8_t *planes, const int32_t size, const int32_t pixels, const int32_t channels, int8_t *output)
{
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)channels);
    int32_t c = 0;
    for (; channels % 4 == 0 && c < channels; c += 4)
    {
        int32_t x = 0;
        for (; x + 16 <= pixels; x += 16)
        {
            four_channels(planes + x, size, offsets, channels, 16, output + x * channels + c);
        }
        if (x < pixels)
        {
            four_channels(planes + x, size, offsets, channels, pixels - x, output + x * channels + c);
        }
        planes += 4 * size;
    }
    for (; c < channels; c++)
    {
        for (int32_t x = 0; x < pixels; x += 4)
        {
            const mve_pred16_t inside = vctp32q((uint32_t)(pixels - x));
            vstrbq_scatter_offset_p_s32(output + x * channels + c, offsets, vldrbq_z_s32(planes + x, inside), inside);
        }
        planes += size;
    }
}

#else

static void
row_of_pixels(const int8_t *planes, const int32_t size, const int32_t pixels, const int32_t channels, int8_t *output)
{
    for (int32_t c = 0; c < channels; c++)
    {
        for (int32_t x = 0; x < pixels; x++)
        {
            output[x * channels + c] = planes[x];
        }
        planes += size;
    }
}

#endif

void sparsec_from_channel_major_s8(const cmsis_nn_dims *dims,
                                   const sparsec_planes *planes,
                                   const int8_t *input,
                                   int8_t *output)
{
    const int32_t rows = planes->pitch == dims->w ? 1 : dims->h;
    const int32_t pixels = dims->h * dims->w / rows;
    const int8_t *row = input + planes->first;
    for (int32_t y = 0; y < rows; y++)
    {
        row_of_pixels(row, planes->plane, pixels, dims->c, output);
        output += pixels * dims->c;
        row += planes->pitch;
    }
}
