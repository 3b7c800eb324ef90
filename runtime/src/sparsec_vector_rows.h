/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The rows of the fully connected kernels for Helium, four at a time, and the loop over them. Twelve words are four rows:
 *
 *   words 0-3    the biases, with the input offset folded in
 *   words 4-7    bits 31-16: entries of the row, bits 15-0: shift
 *   words 8-11   the multipliers
 *
 * The last rows are filled up to four with rows without entries.
 */

#ifndef SPARSEC_VECTOR_ROWS_H
#define SPARSEC_VECTOR_ROWS_H

#include "sparsec_requantize_mve.h"
#include "sparsec_sparse_rows.h"

#if defined(ARM_MATH_MVEI) && defined(__GNUC__)
    #define SPARSEC_MVE_ASSEMBLY
#endif

#define FOUR 4
#define FOUR_WORDS 12

/* Where a kernel is in its two lists. */
typedef struct
{
    const uint8_t *first;
    const uint8_t *second;
} sparsec_position;

/* The sums of the products of four rows, added to `acc`: the file that includes this defines it. It moves on to the next
 * rows; `wide` places take more bytes. */
SPARSEC_ALWAYS_INLINE void accumulate_four(const int8_t *input,
                                           const int32_t *rows,
                                           sparsec_position *at,
                                           int32_t acc[FOUR],
                                           int32_t columns,
                                           bool wide);

static inline int32_t sparsec_row_entries(const int32_t *rows, const int32_t row)
{
    return (int32_t)((uint32_t)rows[FOUR + row] >> 16);
}

SPARSEC_ALWAYS_INLINE void sparsec_each_four_rows(const cmsis_nn_fc_params *fc_params,
                                                  const int32_t saturating,
                                                  const int8_t *input,
                                                  const int32_t columns,
                                                  const int32_t *rows,
                                                  sparsec_position at,
                                                  int8_t *output,
                                                  const int32_t outputs,
                                                  const bool wide)
{
    const int32_t offset = fc_params->output_offset;
    const cmsis_nn_activation clamp = fc_params->activation;
    const int8_t *const end = output + outputs;
    while (output < end)
    {
        const int32_t left = (int32_t)(end - output);
        int32_t acc[FOUR] = {0, 0, 0, 0};
        accumulate_four(input, rows, &at, acc, columns, wide);
#ifdef SPARSEC_MVE_ASSEMBLY
        /* The first register goes to the lower lane, named second. gcc 12 goes through memory. */
        int32x4_t sums;
        __ASM("vmov %q[sums][2], %q[sums][0], %[acc0], %[acc2]\n\t"
              "vmov %q[sums][3], %q[sums][1], %[acc1], %[acc3]" : [sums] "=&t"(sums) : [acc0] "r"(acc[0]),
              [acc1] "r"(acc[1]),
              [acc2] "r"(acc[2]),
              [acc3] "r"(acc[3]));
        const int32x4_t biased = vaddq_s32(sums, vldrwq_s32(rows));
        const int32x4_t multiplier = vldrwq_s32(rows + 2 * FOUR);
        const int32x4_t shift = vmovlbq_s16(vreinterpretq_s16_s32(vldrwq_s32(rows + FOUR)));
        int32x4_t result = saturating ? sparsec_right_of_channels(biased, multiplier, shift)
                                      : sparsec_any_of_channels(biased, multiplier, shift, offset);
        result = vaddq_n_s32(result, offset);
        result = vmaxq_s32(result, vdupq_n_s32(clamp.min));
        result = vminq_s32(result, vdupq_n_s32(clamp.max));
        /* gcc 12 moves a predicate through two more registers. */
        __ASM volatile("vctp.32 %[left]\n\t"
                       "vpst\n\t"
                       "vstrbt.32 %q[result], [%[output]]" : : [left] "r"(left),
                       [result] "t"(result),
                       [output] "l"(output) : "memory");
#else
        (void)saturating;
        for (int32_t i = 0; i < FOUR && i < left; i++)
        {
            const int32_t sum = (int32_t)((uint32_t)acc[i] + (uint32_t)rows[i]);
            output[i] = sparsec_output(sum, rows[2 * FOUR + i], (int16_t)rows[FOUR + i], offset, &clamp);
        }
#endif
        rows += FOUR_WORDS;
        output += FOUR;
    }
}

#endif
