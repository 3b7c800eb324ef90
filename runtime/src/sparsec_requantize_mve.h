/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Accumulators to bytes on Helium, 16 at once: what sparsec_output gives for each, in any order of lanes.
 *
 * Functions called `right` are for shifts below 0, which nearly all layers have; `any` takes all shifts that C defines.
 * Multipliers are not negative. Clamps narrower than a byte are another step, as most layers need none.
 */

#ifndef SPARSEC_REQUANTIZE_MVE_H
#define SPARSEC_REQUANTIZE_MVE_H

#include "sparsec_arch.h"

#if defined(ARM_MATH_MVEI)

    #include <arm_mve.h>

    #if defined(__GNUC__)
        #define SPARSEC_LIKELY(condition) __builtin_expect((condition), 1)
    #else
        #define SPARSEC_LIKELY(condition) (condition)
    #endif

/* Four accumulators of one channel. Halves are rounded away from zero, by the sign of the accumulator: it is not that of the
 * product only where that is zero, which a shift to the right leaves zero either way. So one instruction multiplies and adds. */
static inline int32x4_t sparsec_right_of_channel(const int32x4_t acc, const int32_t multiplier, const int32_t shift)
{
    return vrshlq_n_s32(vqrdmlahq_n_s32(vshrq_n_s32(acc, 31), acc, multiplier), shift);
}

/* Four accumulators of four channels. */
static inline int32x4_t
sparsec_right_of_channels(const int32x4_t acc, const int32x4_t multiplier, const int32x4_t shift)
{
    const int32x4_t product = vqrdmulhq_s32(acc, multiplier);
    return vrshlq_s32(vaddq_s32(product, vshrq_n_s32(acc, 31)), shift);
}

/* A result to which the output offset can be added with saturation, although CMSIS-NN's adds it modulo 2^32. */
static inline int32x4_t sparsec_wrapped(const int32x4_t result, const int32_t output_offset)
{
    return vqsubq_n_s32(vaddq_n_s32(result, output_offset), output_offset);
}

/* Four accumulators of four channels, the shifts of which go to either side. */
static inline int32x4_t sparsec_any_of_channels(const int32x4_t acc,
                                                const int32x4_t multiplier,
                                                const int32x4_t shift,
                                                const int32_t output_offset)
{
    const int32x4_t none = vdupq_n_s32(0);
    const int32x4_t right = vminq_s32(shift, none);
    const int32x4_t product = vqrdmulhq_s32(vshlq_s32(acc, vmaxq_s32(shift, none)), multiplier);
    /* The lowest shift to the right has the sign bit, and so has a negative product. */
    const int32x4_t away = vshrq_n_s32(vandq_s32(product, right), 31);
    return sparsec_wrapped(vrshlq_s32(vaddq_s32(product, away), right), output_offset);
}

static inline int32x4_t
sparsec_any_of_channel(const int32x4_t acc, const int32_t multiplier, const int32_t shift, const int32_t output_offset)
{
    if (SPARSEC_LIKELY(shift < 0))
    {
        return sparsec_right_of_channel(acc, multiplier, shift);
    }
    return sparsec_wrapped(vqrdmulhq_n_s32(vshlq_r_s32(acc, shift), multiplier), output_offset);
}

/* Four vectors of results to bytes, the output offset added. Byte 4 * i + j is lane i of `resultj`. */
static inline int8x16_t sparsec_narrow(const int32x4_t result0,
                                       const int32x4_t result1,
                                       const int32x4_t result2,
                                       const int32x4_t result3,
                                       const int32_t output_offset)
{
    /* Instructions that keep half of a vector: given them one by one, gcc copies each vector before. */
    int8x16_t bytes = vreinterpretq_s8_s32(result0);
    int8x16_t odd = vreinterpretq_s8_s32(result1);
    __ASM("vqmovnb.s32 %q[bytes], %q[bytes]\n\t"
          "vqmovnb.s32 %q[odd], %q[odd]\n\t"
          "vqmovnt.s32 %q[bytes], %q[result2]\n\t"
          "vqmovnt.s32 %q[odd], %q[result3]\n\t"
          "vqadd.s16 %q[bytes], %q[bytes], %[offset]\n\t"
          "vqadd.s16 %q[odd], %q[odd], %[offset]\n\t"
          "vqmovnb.s16 %q[bytes], %q[bytes]\n\t"
          "vqmovnt.s16 %q[bytes], %q[odd]" : [bytes] "+t"(bytes),
          [odd] "+t"(odd) : [result2] "t"(result2),
          [result3] "t"(result3),
          [offset] "r"(output_offset));
    return bytes;
}

static inline int8x16_t sparsec_clamp_vector(const int8x16_t bytes, const cmsis_nn_activation *const activation)
{
    const int8x16_t raised = vmaxq_s8(bytes, vdupq_n_s8((int8_t)activation->min));
    return vminq_s8(raised, vdupq_n_s8((int8_t)activation->max));
}

/* Four results to bytes in the order of their lanes, for those who have them so. */
static inline void sparsec_store_x4(int8_t *const output,
                                    const int32x4_t result,
                                    const int32_t output_offset,
                                    const cmsis_nn_activation *const activation)
{
    const int32x4_t raised = vmaxq_s32(vaddq_n_s32(result, output_offset), vdupq_n_s32(activation->min));
    vstrbq_s32(output, vminq_s32(raised, vdupq_n_s32(activation->max)));
}

/* Sixteen accumulators of sixteen channels, with their multipliers and shifts, to bytes in the order of the channels. All
 * three lie in fours that begin next to each other: channels 0, 4, 8, 12, then 1, 5, 9, 13, and so on. */
static inline int8x16_t sparsec_right_of_16_channels(const int32_t *const acc,
                                                     const int32_t *const multiplier,
                                                     const int32_t *const shift,
                                                     const int32_t output_offset)
{
    int32x4_t result[4];
    for (int32_t j = 0; j < 4; j++)
    {
        result[j] = sparsec_right_of_channels(vldrwq_s32(acc + 4 * j),
                                              vldrwq_s32(multiplier + 4 * j),
                                              vldrwq_s32(shift + 4 * j));
    }
    return sparsec_narrow(result[0], result[1], result[2], result[3], output_offset);
}

static inline int8x16_t sparsec_any_of_16_channels(const int32_t *const acc,
                                                   const int32_t *const multiplier,
                                                   const int32_t *const shift,
                                                   const int32_t output_offset)
{
    int32x4_t result[4];
    for (int32_t j = 0; j < 4; j++)
    {
        result[j] = sparsec_any_of_channels(vldrwq_s32(acc + 4 * j),
                                            vldrwq_s32(multiplier + 4 * j),
                                            vldrwq_s32(shift + 4 * j),
                                            output_offset);
    }
    return sparsec_narrow(result[0], result[1], result[2], result[3], output_offset);
}

#endif

#endif
