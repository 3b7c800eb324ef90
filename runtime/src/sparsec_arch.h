/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The primitives that the kernels share: plain C with a branch only where a core has an instruction for it.
 * Everything here gives CMSIS-NN's default (double rounding) results.
 */

#ifndef SPARSEC_ARCH_H
#define SPARSEC_ARCH_H

#include "arm_nnsupportfunctions.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef CMSIS_NN_USE_SINGLE_ROUNDING
    #error "sparsec computes with CMSIS-NN's default double rounding: build without CMSIS_NN_USE_SINGLE_ROUNDING"
#endif

/* The value times multiplier / 2^31 * 2^shift: equal to arm_nn_requantize, and defined for every value. */
static inline int32_t sparsec_requantize(const int32_t value, const int32_t multiplier, const int32_t shift)
{
    const int32_t scaled = shift > 0 ? (int32_t)((uint32_t)value << shift) : value;
    const int32_t product = (int32_t)(((int64_t)scaled * multiplier + (1 << 30)) >> 31);
    if (shift >= 0)
    {
        return product;
    }
    /* Halves are rounded away from zero. The last bit is dropped apart, because adding half first could overflow. */
    return (((product + (product >> 31)) >> (-shift - 1)) + 1) >> 1;
}

/* A multiplier and a shift, ready for `sparsec_requantize_small`. */
typedef struct
{
    int32_t multiplier;
    int32_t left;
    int32_t right;
    int32_t half;
    int32_t away;
} sparsec_scale;

static inline sparsec_scale sparsec_scale_of(const int32_t multiplier, const int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = left - shift;
    return (sparsec_scale){multiplier, left, right, (1 << right) >> 1, shift < 0 ? -1 : 0};
}

/* sparsec_requantize of a value within +-2^17, without a branch: nothing it adds leaves 32 bits. */
static inline int32_t sparsec_requantize_small(const int32_t value, const sparsec_scale *const scale)
{
    const int32_t scaled = (int32_t)((uint32_t)value << scale->left);
    const int32_t product = (int32_t)(((int64_t)scaled * scale->multiplier + (1 << 30)) >> 31);
    return (product + scale->half + ((product >> 31) & scale->away)) >> scale->right;
}

/* Whether the core is a Cortex-M7, which the double precision of its FPU gives away: it issues two instructions at once, and
 * predicts branches. */
#if !defined(SPARSEC_DUAL_ISSUE)
    #if defined(__ARM_ARCH_7EM__) && defined(__ARM_FP) && (__ARM_FP & 8)
        #define SPARSEC_DUAL_ISSUE 1
    #else
        #define SPARSEC_DUAL_ISSUE 0
    #endif
#endif

#if defined(__GNUC__)
    #define SPARSEC_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
    #define SPARSEC_ALWAYS_INLINE static inline
#endif

#if defined(__GNUC__)
    #define SPARSEC_NOINLINE __attribute__((noinline))
#else
    #define SPARSEC_NOINLINE
#endif

#if defined(ARM_MATH_DSP) && defined(__GNUC__)

/* The pointer plus byte 0 (byte 2) of the word, in one instruction. */
static inline const int8_t *sparsec_step_byte0(const int8_t *pointer, const int32_t word)
{
    __ASM("uxtab %0, %0, %1" : "+r"(pointer) : "r"(word));
    return pointer;
}

static inline const int8_t *sparsec_step_byte2(const int8_t *pointer, const int32_t word)
{
    __ASM("uxtab %0, %0, %1, ror #16" : "+r"(pointer) : "r"(word));
    return pointer;
}

#else

static inline const int8_t *sparsec_step_byte0(const int8_t *pointer, const int32_t word)
{
    return pointer + (uint8_t)word;
}

static inline const int8_t *sparsec_step_byte2(const int8_t *pointer, const int32_t word)
{
    return pointer + (uint8_t)(word >> 16);
}

#endif

static inline int8_t sparsec_clamp(const int32_t value, const cmsis_nn_activation *const activation)
{
    const int32_t raised = value < activation->min ? activation->min : value;
    return (int8_t)(raised > activation->max ? activation->max : raised);
}

/* An accumulator to its output byte. The offset is added modulo 2^32, as CMSIS-NN's code does on every core. */
static inline int8_t sparsec_output(const int32_t acc,
                                    const int32_t multiplier,
                                    const int32_t shift,
                                    const int32_t output_offset,
                                    const cmsis_nn_activation *const activation)
{
    const uint32_t result = (uint32_t)sparsec_requantize(acc, multiplier, shift) + (uint32_t)output_offset;
    return sparsec_clamp((int32_t)result, activation);
}

static inline int8_t sparsec_saturate(const int32_t value)
{
#if defined(__ARM_FEATURE_SAT) && defined(__GNUC__)
    /* Not __ssat of arm_acle.h: GCC 12 warns about a conversion inside that macro. */
    int32_t result;
    __ASM("ssat %0, #8, %1" : "=r"(result) : "r"(value));
    return (int8_t)result;
#else
    const int32_t raised = value < INT8_MIN ? INT8_MIN : value;
    return (int8_t)(raised > INT8_MAX ? INT8_MAX : raised);
#endif
}

/* Whether sparsec_store_saturated gives what sparsec_output gives, for accumulators within +-2^30. */
static inline bool sparsec_is_saturated(const int32_t shift, const cmsis_nn_activation *const activation)
{
    return shift < 0 && shift >= -22 && activation->min == INT8_MIN && activation->max == INT8_MAX;
}

/* Accumulators of one output channel to bytes, `stride` bytes apart; the case that sparsec_is_saturated names.
 *
 * (value * m + 2^30) >> 31 is the upper word of 2 * value * m + 2^31, one SMLAL; the rounding half, the output offset
 * and the -1 of a negative value join it there. The bounds keep the sum within 32 bits. */
static inline void sparsec_store_saturated(const int32_t *acc,
                                           const int32_t count,
                                           const int32_t multiplier,
                                           const int32_t shift,
                                           const int32_t output_offset,
                                           int8_t *output,
                                           const int32_t stride)
{
    const int32_t right = -shift;
    const int32_t addend = (1 << (right - 1)) + output_offset * (1 << right);
#if defined(__GNUC__)
    #pragma GCC unroll 4
#endif
    for (int32_t i = 0; i < count; i++)
    {
        const int32_t twice = acc[i] * 2;
        const int64_t upper = (int64_t)(addend + (twice >> 31)) * ((int64_t)1 << 32);
        const int64_t sum = upper + ((int64_t)1 << 31) + (int64_t)twice * multiplier;
        *output = sparsec_saturate((int32_t)(sum >> 32) >> right);
        output += stride;
    }
}

#endif
