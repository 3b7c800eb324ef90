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

/* One output channel: accumulators to bytes, all by the same multiplier and shift, `stride` bytes apart.
 * `bounded` says that every accumulator lies within +-2^30. */
static inline void sparsec_store_channel(const int32_t *acc,
                                         const int32_t count,
                                         const bool bounded,
                                         const int32_t multiplier,
                                         const int32_t shift,
                                         const int32_t output_offset,
                                         const cmsis_nn_activation *const activation,
                                         int8_t *output,
                                         const int32_t stride)
{
    const int32_t *const end = acc + count;
    if (bounded && shift < 0 && shift >= -22)
    {
        /* (value * m + 2^30) >> 31 is the upper word of 2 * value * m + 2^31, one SMLAL; the rounding half, the output
         * offset and the -1 of a negative value join it there. The bounds keep the sum within 32 bits. */
        const int32_t right = -shift;
        const int32_t addend = (1 << (right - 1)) + output_offset * (1 << right);
        const bool saturate = activation->min == INT8_MIN && activation->max == INT8_MAX;
#if defined(__GNUC__)
    #pragma GCC unroll 4
#endif
        while (acc != end)
        {
            const int32_t twice = *acc++ * 2;
            const int64_t upper = (int64_t)(addend + (twice >> 31)) * ((int64_t)1 << 32);
            const int32_t sum = (int32_t)((upper + ((int64_t)1 << 31) + (int64_t)twice * multiplier) >> 32);
            *output = saturate ? sparsec_saturate(sum >> right) : sparsec_clamp(sum >> right, activation);
            output += stride;
        }
        return;
    }
    while (acc != end)
    {
        *output = sparsec_output(*acc++, multiplier, shift, output_offset, activation);
        output += stride;
    }
}

#endif
