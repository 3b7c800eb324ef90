/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Sums of products of rows and columns of two int8 matrices, and what becomes of them.
 *
 * On cores with DSP instructions four rows of the left matrix are worked on at once. They are widened to halves once, their
 * offset added, and multiply columns of the right matrix as they lie: along it where a column's elements are neighbours,
 * across it where those of a row are.
 */

#ifndef SPARSEC_MATMUL_H
#define SPARSEC_MATMUL_H

#include "sparsec.h"
#include "sparsec_arch.h"

static inline int32_t sparsec_dot(const int8_t *lhs,
                                  const int32_t lhs_step,
                                  const int8_t *rhs,
                                  const int32_t rhs_step,
                                  const int32_t depth,
                                  const sparsec_matmul_params *const params)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < depth; i++)
    {
        sum += (lhs[i * lhs_step] + params->lhs_offset) * (rhs[i * rhs_step] + params->rhs_offset);
    }
    return sum;
}

static inline int8_t sparsec_matmul_output(const int32_t sum, const sparsec_matmul_params *const params)
{
    return sparsec_output(sum,
                          params->quant_params.multiplier,
                          params->quant_params.shift,
                          params->output_offset,
                          &params->activation);
}

#if defined(ARM_MATH_DSP) && !defined(ARM_MATH_MVEI) && defined(__GNUC__)
    #define SPARSEC_MATMUL_DSP

    #include <string.h>

    #define SPARSEC_ROWS 4

/* Bytes of the halves of four rows. */
static inline int32_t sparsec_halves_bytes(const int32_t depth)
{
    return 2 * SPARSEC_ROWS * ((depth + 3) / 4 * 4);
}

/* The upper word of a * b + c * 2^32, rounded. */
static inline int32_t sparsec_smmlar(const int32_t a, const int32_t b, const int32_t c)
{
    int32_t result;
    __ASM("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
}

/* What sparsec_store_saturated computes from, for sums that are doubled already. */
typedef struct
{
    int32_t multiplier;
    int32_t right;
    int32_t addend;
    bool saturated;
} sparsec_doubled;

static inline sparsec_doubled sparsec_doubled_of(const sparsec_matmul_params *const params)
{
    const int32_t shift = params->quant_params.shift;
    const bool saturated = sparsec_is_saturated(shift, &params->activation);
    const int32_t right = saturated ? -shift : 1;
    const int32_t addend = (1 << (right - 1)) + params->output_offset * (1 << right);
    return (sparsec_doubled){params->quant_params.multiplier, right, addend, saturated};
}

/* Twice a sum to its byte. */
SPARSEC_ALWAYS_INLINE int8_t sparsec_doubled_output(const int32_t twice,
                                                    const sparsec_doubled scale,
                                                    const sparsec_matmul_params *const params)
{
    if (!scale.saturated)
    {
        return sparsec_matmul_output(twice / 2, params);
    }
    return sparsec_saturate(sparsec_smmlar(twice, scale.multiplier, scale.addend + (twice >> 31)) >> scale.right);
}

/* Where the half of element `column` of row `row` lies: elements c and c + 2 of four share a word for products along the
 * right matrix, two neighbours for those across it. Words of four rows follow each other. */
static inline int32_t sparsec_half_along(const int32_t row, const int32_t column)
{
    return 16 * (column / 4) + 8 * (column & 1) + 2 * row + (column >> 1 & 1);
}

static inline int32_t sparsec_half_across(const int32_t row, const int32_t column)
{
    return 8 * (column / 2) + 2 * row + (column & 1);
}

/* Up to four rows as twice what they are with their offset, all others 0; `sums` becomes that of each. */
static inline void sparsec_widen_rows(const int8_t *rows,
                                      const int32_t row_step,
                                      const int32_t column_step,
                                      const int32_t count,
                                      const int32_t depth,
                                      const int32_t offset,
                                      const bool along,
                                      int16_t *const halves,
                                      int32_t *const sums)
{
    memset(halves, 0, (size_t)sparsec_halves_bytes(depth));
    for (int32_t row = 0; row < SPARSEC_ROWS; row++)
    {
        int32_t sum = 0;
        for (int32_t i = 0; row < count && i < depth; i++)
        {
            const int32_t twice = 2 * (rows[i * column_step] + offset);
            halves[along ? sparsec_half_along(row, i) : sparsec_half_across(row, i)] = (int16_t)twice;
            sum += twice;
        }
        sums[row] = sum;
        rows += row_step;
    }
}

/* Products of four rows and a column the elements of which are neighbours, added to `acc`. Not inline, as it takes nearly all
 * registers. */
static SPARSEC_NOINLINE __attribute__((unused)) void
sparsec_dots_along(const int16_t *halves, const int8_t *column, const int32_t depth, int32_t *const acc)
{
    int32_t left = depth / 4;
    int32_t bytes;
    int32_t pair;
    if (left > 0)
    {
        __ASM volatile("1:\n\t"
                       "ldr %[bytes], [%[column]], #4\n\t"
                       "ldmia %[halves]!, {r4, r5, r6, r8}\n\t"
                       "sxtb16 %[pair], %[bytes]\n\t"
                       "smlad %[acc0], %[pair], r4, %[acc0]\n\t"
                       "smlad %[acc1], %[pair], r5, %[acc1]\n\t"
                       "smlad %[acc2], %[pair], r6, %[acc2]\n\t"
                       "smlad %[acc3], %[pair], r8, %[acc3]\n\t"
                       "ldmia %[halves]!, {r4, r5, r6, r8}\n\t"
                       "sxtb16 %[bytes], %[bytes], ror #8\n\t"
                       "subs %[left], %[left], #1\n\t"
                       "smlad %[acc0], %[bytes], r4, %[acc0]\n\t"
                       "smlad %[acc1], %[bytes], r5, %[acc1]\n\t"
                       "smlad %[acc2], %[bytes], r6, %[acc2]\n\t"
                       "smlad %[acc3], %[bytes], r8, %[acc3]\n\t"
                       "bne 1b" : [acc0] "+r"(acc[0]),
                       [acc1] "+r"(acc[1]),
                       [acc2] "+r"(acc[2]),
                       [acc3] "+r"(acc[3]),
                       [halves] "+r"(halves),
                       [column] "+r"(column),
                       [left] "+r"(left),
                       [bytes] "=&r"(bytes),
                       [pair] "=&r"(pair) : : "r4",
                       "r5",
                       "r6",
                       "r8",
                       "cc",
                       "memory");
    }
    for (int32_t i = 0; i < depth % 4; i++)
    {
        for (int32_t row = 0; row < SPARSEC_ROWS; row++)
        {
            acc[row] += halves[sparsec_half_along(row, i)] * column[i];
        }
    }
}

/* Products of four rows and two neighbouring columns: what they are added to, four of the first column, then four of the
 * second, and what is left to do. */
typedef struct
{
    int32_t acc[2 * SPARSEC_ROWS];
    const int16_t *halves;
    const int8_t *columns;
    int32_t step;
    const int16_t *end;
} sparsec_across;

/* Pairs of elements, at least one, which are `step` bytes apart in a column. The registers are named, as more than
 * compilers like to give are taken: r7 alone is left. */
SPARSEC_ALWAYS_INLINE void sparsec_pairs_across(sparsec_across *const across)
{
    register sparsec_across *at __ASM("r0") = across;
    __ASM volatile("ldrd r2, r3, [r0, #40]\n\t"
                   "push {r0, r2, r3}\n\t"
                   "ldrd r10, r11, [r0, #32]\n\t"
                   "ldmia r0, {r1, r2, r3, r4, r5, r6, r8, r9}\n"
                   "1:\n\t"
                   "ldr r14, [sp, #4]\n\t"
                   "ldrh r0, [r11]\n\t"
                   "ldrh r12, [r11, r14]\n\t"
                   "add r11, r11, r14, lsl #1\n\t"
                   "ldr r14, [r10], #4\n\t"
                   "orr r12, r0, r12, lsl #16\n\t"
                   "sxtb16 r0, r12\n\t"
                   "sxtb16 r12, r12, ror #8\n\t"
                   "smlad r1, r0, r14, r1\n\t"
                   "smlad r5, r12, r14, r5\n\t"
                   "ldr r14, [r10], #4\n\t"
                   "smlad r2, r0, r14, r2\n\t"
                   "smlad r6, r12, r14, r6\n\t"
                   "ldr r14, [r10], #4\n\t"
                   "smlad r3, r0, r14, r3\n\t"
                   "smlad r8, r12, r14, r8\n\t"
                   "ldr r14, [r10], #4\n\t"
                   "smlad r4, r0, r14, r4\n\t"
                   "smlad r9, r12, r14, r9\n\t"
                   "ldr r14, [sp, #8]\n\t"
                   "cmp r14, r10\n\t"
                   "bne 1b\n\t"
                   "pop {r0, r12, r14}\n\t"
                   "stmia r0, {r1, r2, r3, r4, r5, r6, r8, r9}\n\t"
                   "strd r10, r11, [r0, #32]" : "+r"(at) : : "r1",
                   "r2",
                   "r3",
                   "r4",
                   "r5",
                   "r6",
                   "r8",
                   "r9",
                   "r10",
                   "r11",
                   "r12",
                   "r14",
                   "cc",
                   "memory");
}

/* All elements of the columns, `depth` of them. */
static inline void sparsec_dots_across(sparsec_across *const across, const int32_t depth)
{
    across->end = across->halves + depth / 2 * 2 * SPARSEC_ROWS;
    if (depth > 1)
    {
        sparsec_pairs_across(across);
    }
    for (int32_t row = 0; depth % 2 != 0 && row < SPARSEC_ROWS; row++)
    {
        across->acc[row] += across->halves[2 * row] * across->columns[0];
        across->acc[SPARSEC_ROWS + row] += across->halves[2 * row] * across->columns[1];
    }
}

#endif

#endif
