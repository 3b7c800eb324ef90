/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The rows of the sparse fully connected kernels: three words each, read from flash in the order of the outputs.
 *
 *   word 0   the bias, with the input offset folded in
 *   word 1   bits 31-16: whole groups of entries, bits 15-8: entries left over, bits 7-0: ~shift
 *   word 2   the multiplier
 *
 * A group is what one pass of a kernel's loop takes. ~shift is the number of bits to shift right, less one: a register
 * shift reads the lowest byte of a register and ignores the others, so that word 1 is a shift distance as it is.
 */

#ifndef SPARSEC_SPARSE_ROWS_H
#define SPARSEC_SPARSE_ROWS_H

#include "sparsec_arch.h"

#if defined(ARM_MATH_DSP) && defined(__GNUC__)
    #define SPARSEC_DSP_ASSEMBLY
#endif

#define SPARSEC_ROW_WORDS 3

static inline int32_t sparsec_row_groups(const int32_t counts)
{
    return (int32_t)((uint32_t)counts >> 16);
}

static inline int32_t sparsec_row_left_over(const int32_t counts)
{
    return (counts >> 8) & 0xff;
}

/* Any row: what sparsec_output says. */
static inline int8_t sparsec_row_output(const int32_t acc, const int32_t *row, const cmsis_nn_fc_params *fc_params)
{
    const int32_t low = row[1] & 0xff;
    const int32_t shift = -1 - ((low ^ 0x80) - 0x80);
    return sparsec_output(acc, row[2], shift, fc_params->output_offset, &fc_params->activation);
}

#ifdef SPARSEC_DSP_ASSEMBLY

/* The same where the layer is saturating (see sparsec.h); `centre` is 2 * output offset + 1.
 *
 * (acc * m + 2^30) >> 31 is the upper word of 2 * acc * m + 2^31: one SMMLAR, which also adds the rounding half, the
 * output offset and the -1 of a negative value. The half and the offset together are centre << (right shift - 1). */
SPARSEC_ALWAYS_INLINE int8_t sparsec_row_saturated(int32_t acc,
                                                   const int32_t counts,
                                                   const int32_t multiplier,
                                                   const int32_t centre)
{
    int32_t result;
    __ASM("lsl     %[result], %[centre], %[counts]\n\t"
          "lsl     %[acc], %[acc], #1\n\t"
          "add     %[result], %[result], %[acc], asr #31\n\t"
          "smmlar  %[result], %[acc], %[multiplier], %[result]\n\t"
          "asr     %[result], %[result], %[counts]\n\t"
          "ssat    %[result], #8, %[result], asr #1" : [result] "=&r"(result),
          [acc] "+r"(acc) : [counts] "r"(counts),
          [multiplier] "r"(multiplier),
          [centre] "r"(centre) : "cc");
    return (int8_t)result;
}

#endif

#endif
