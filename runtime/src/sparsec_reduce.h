/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The largest or smallest bytes along the middle one of three axes.
 */

#ifndef SPARSEC_REDUCE_H
#define SPARSEC_REDUCE_H

#include "sparsec_arch.h"

static inline int8_t sparsec_extreme(const int8_t a, const int8_t b, const bool largest)
{
    return (a > b) == largest ? a : b;
}

#if defined(ARM_MATH_MVEI)

static inline int8x16_t sparsec_extremes(const int8x16_t a, const int8x16_t b, const bool largest)
{
    return largest ? vmaxq_s8(a, b) : vminq_s8(a, b);
}

#elif defined(ARM_MATH_DSP) && defined(__GNUC__)

    #define SPARSEC_FOUR_BYTES

/* Of each of the four bytes. */
static inline int32_t sparsec_extremes(const int32_t a, const int32_t b, const bool largest)
{
    int32_t result;
    if (largest)
    {
        __ASM("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
    }
    else
    {
        __ASM("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b));
    }
    return result;
}

#endif

/* Of one row of bytes. */
static inline int8_t sparsec_extreme_of_row(const int8_t *row, const int32_t count, const bool largest)
{
    int8_t found = row[0];
    int32_t i = 0;
#if defined(ARM_MATH_MVEI)
    const int8_t least = largest ? INT8_MIN : INT8_MAX;
    for (; i < count; i += 16)
    {
        const int8x16_t values = vpselq_s8(vldrbq_z_s8(row + i, vctp8q((uint32_t)(count - i))),
                                           vdupq_n_s8(least),
                                           vctp8q((uint32_t)(count - i)));
        found = largest ? vmaxvq_s8(found, values) : vminvq_s8(found, values);
    }
#else
    #if defined(SPARSEC_FOUR_BYTES)
    if (count >= 4)
    {
        int32_t four = arm_nn_read_s8x4(row);
        for (i = 4; count - i >= 4; i += 4)
        {
            four = sparsec_extremes(four, arm_nn_read_s8x4(row + i), largest);
        }
        for (int32_t k = 0; k < 32; k += 8)
        {
            found = sparsec_extreme(found, (int8_t)(four >> k), largest);
        }
    }
    #endif
    for (; i < count; i++)
    {
        found = sparsec_extreme(found, row[i], largest);
    }
#endif
    return found;
}

/* Of each of `inner` bytes of `count` pixels. */
static inline void sparsec_extreme_of_pixels(const int8_t *input,
                                             const int32_t count,
                                             const int32_t inner,
                                             int8_t *output,
                                             const bool largest)
{
    int32_t c = 0;
#if defined(ARM_MATH_MVEI)
    for (; c < inner; c += 16)
    {
        const mve_pred16_t exist = vctp8q((uint32_t)(inner - c));
        const int8_t *pixel = input + c;
        int8x16_t found = vldrbq_z_s8(pixel, exist);
        for (int32_t i = 1; i < count; i++)
        {
            pixel += inner;
            found = sparsec_extremes(found, vldrbq_z_s8(pixel, exist), largest);
        }
        vstrbq_p_s8(output + c, found, exist);
    }
#else
    #if defined(SPARSEC_FOUR_BYTES)
    for (; inner - c >= 4; c += 4)
    {
        const int8_t *pixel = input + c;
        int32_t found = arm_nn_read_s8x4(pixel);
        for (int32_t i = 1; i < count; i++)
        {
            pixel += inner;
            found = sparsec_extremes(found, arm_nn_read_s8x4(pixel), largest);
        }
        memcpy(output + c, &found, 4);
    }
    #endif
    for (; c < inner; c++)
    {
        int8_t found = input[c];
        for (int32_t i = 1; i < count; i++)
        {
            found = sparsec_extreme(found, input[i * inner + c], largest);
        }
        output[c] = found;
    }
#endif
}

/* Of all: `input_dims` are [outer, count, 1, inner]. */
static inline void
sparsec_reduce_to_extremes(const cmsis_nn_dims *input_dims, const int8_t *input, int8_t *output, const bool largest)
{
    const int32_t count = input_dims->h * input_dims->w;
    const int32_t inner = input_dims->c;
    for (int32_t n = 0; n < input_dims->n; n++)
    {
        if (inner == 1)
        {
            *output = sparsec_extreme_of_row(input, count, largest);
        }
        else
        {
            sparsec_extreme_of_pixels(input, count, inner, output, largest);
        }
        input += count * inner;
        output += inner;
    }
}

#endif
