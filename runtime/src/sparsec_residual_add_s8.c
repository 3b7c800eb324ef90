/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A byte times its multiplier, without the lowest 8 bits of the product, is a term; both terms and the addend, shifted
 * right and clamped, are an output. Where one instruction makes a term and adds it, that is used: SMLAW with the byte in
 * the upper half of 16 bits, VQDMLAH with the byte in the bits 23 to 30. Every core computes the same numbers.
 */

#include "sparsec.h"
#include "sparsec_arch.h"
#include "sparsec_clamp_bytes.h"

/* The shift of nearly all layers: instructions that shift and saturate at once take it as a number in the code. */
#define USUAL_SHIFT 22

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

/* clang-format off */
#if defined(ARM_MATH_MVEI) && defined(__GNUC__)

#define LOAD "vldrb.8 q0, [%[in1]], #16\n\tvldrb.8 q1, [%[in2]], #16\n\t"
#define STORE "vstrb.8 q4, [%[out]], #16\n\t"
#define LOAD_LEFT "vctp.8 %[left]\n\tvpstt\n\tvldrbt.8 q0, [%[in1]], #16\n\tvldrbt.8 q1, [%[in2]], #16\n\t"
#define STORE_LEFT "vpst\n\tvstrbt.8 q4, [%[out]], #16\n\t"
#define SHIFT "vqshl.s16 q4, %[up]\n\tvqshl.s16 q2, %[up]\n\t"
#define BOUND "vdup.8 q0, %[low]\n\tvdup.8 q1, %[high]\n\tvmax.s8 q4, q4, q0\n\tvmin.s8 q4, q4, q1\n\t"

/* The sums of the bytes in the upper halves of eight lanes of `a` and of `b`, without their lower 16 bits, in `to`. */
#define EIGHT(to, a, b, free)                                                                                          \
    "vshllb.s16 " to ", " a ", #15\n\t"                                                                                \
    "vshllb.s16 " free ", " b ", #15\n\t"                                                                              \
    "vqdmlash.s32 " to ", %q[mul1], %[start]\n\t"                                                                      \
    "vshllt.s16 " a ", " a ", #15\n\t"                                                                                 \
    "vqdmlah.s32 " to ", " free ", %[mul2]\n\t"                                                                        \
    "vshllt.s16 " b ", " b ", #15\n\t"                                                                                 \
    "vqdmlash.s32 " a ", %q[mul1], %[start]\n\t"                                                                       \
    "vshrnb.i32 " to ", " to ", #16\n\t"                                                                               \
    "vqdmlah.s32 " a ", " b ", %[mul2]\n\t"                                                                            \
    "vshrnt.i32 " to ", " a ", #16\n\t"

/* Sixteen outputs: widening takes even and odd lanes apart, and narrowing puts them together again. The last shift rounds,
 * because the GNU assembler (2.40) takes VQSHRN for VQRSHRN: `start` is the addend without that half. */
#define SIXTEEN(load, shift, bound, store)                                                                             \
    load                                                                                                               \
    "vshllb.s8 q2, q0, #8\n\t"                                                                                         \
    "vshllb.s8 q3, q1, #8\n\t"                                                                                         \
    "vshllt.s8 q0, q0, #8\n\t"                                                                                         \
    "vshllt.s8 q1, q1, #8\n\t"                                                                                         \
    EIGHT("q4", "q2", "q3", "q5")                                                                                      \
    EIGHT("q2", "q0", "q1", "q3")                                                                                      \
    shift                                                                                                              \
    "vqrshrnb.s16 q4, q4, #" TEXT(USUAL_SHIFT) " - 16\n\t"                                                             \
    "vqrshrnt.s16 q4, q2, #" TEXT(USUAL_SHIFT) " - 16\n\t"                                                             \
    bound                                                                                                              \
    store

#define RUN(text)                                                                                                      \
    __ASM volatile(text                                                                                                \
                   : [in1] "+r"(input_1), [in2] "+r"(input_2), [out] "+r"(output)                                      \
                   : [mul1] "w"(vdupq_n_s32(multiplier_1)), [mul2] "r"(multiplier_2), [start] "r"(start),              \
                     [left] "r"(size), [up] "r"(USUAL_SHIFT - shift), [low] "r"(activation->min),                      \
                     [high] "r"(activation->max)                                                                       \
                   : "q0", "q1", "q2", "q3", "q4", "q5", "memory")

#elif defined(PACKED_ASSEMBLY)

/* The bytes 0 and 2 of a word, each in the upper half of 16 bits; the end of a sum. */
#define USUAL_EVEN(to, word) "and " to ", %[other], " word ", lsl #8\n\t"
#define USUAL_END(sum) "ssat " sum ", #8, " sum ", asr #" TEXT(USUAL_SHIFT) "\n\t"
#define ANY_EVEN(to, word) "lsl " to ", " word ", #8\n\tand " to ", " to ", #0xFF00FF00\n\t"
#define ANY_END(sum) "asr " sum ", " sum ", %[other]\n\tssat " sum ", #8, " sum "\n\t"

/* Four outputs. */
#define FOUR(even, end)                                                                                                \
    "ldr %[odd1], [%[in1]], #4\n\t"                                                                                    \
    "ldr %[odd2], [%[in2]], #4\n\t"                                                                                    \
    even("%[even1]", "%[odd1]")                                                                                        \
    "and %[odd1], %[odd1], #0xFF00FF00\n\t"                                                                            \
    "smlawb %[sum], %[mul1], %[even1], %[addend]\n\t"                                                                  \
    even("%[even2]", "%[odd2]")                                                                                        \
    "smlawt %[even1], %[mul1], %[even1], %[addend]\n\t"                                                                \
    "and %[odd2], %[odd2], #0xFF00FF00\n\t"                                                                            \
    "smlawb %[sum], %[mul2], %[even2], %[sum]\n\t"                                                                     \
    "smlawt %[even1], %[mul2], %[even2], %[even1]\n\t"                                                                 \
    "smlawb %[even2], %[mul1], %[odd1], %[addend]\n\t"                                                                 \
    end("%[sum]")                                                                                                      \
    "smlawt %[odd1], %[mul1], %[odd1], %[addend]\n\t"                                                                  \
    end("%[even1]")                                                                                                    \
    "smlawb %[even2], %[mul2], %[odd2], %[even2]\n\t"                                                                  \
    "smlawt %[odd1], %[mul2], %[odd2], %[odd1]\n\t"                                                                    \
    end("%[even2]")                                                                                                    \
    end("%[odd1]")                                                                                                     \
    "bfi %[sum], %[even2], #8, #8\n\t"                                                                                 \
    "bfi %[even1], %[odd1], #8, #8\n\t"                                                                                \
    "pkhbt %[sum], %[sum], %[even1], lsl #16\n\t"                                                                      \
    "str %[sum], [%[out]], #4\n\t"

#define RUN(text, value)                                                                                               \
    __ASM volatile(text                                                                                                \
                   : [in1] "+r"(input_1), [in2] "+r"(input_2), [out] "+r"(output), [odd1] "=&r"(odd_1),                \
                     [odd2] "=&r"(odd_2), [even1] "=&r"(even_1), [even2] "=&r"(even_2), [sum] "=&r"(sum)               \
                   : [mul1] "r"(multiplier_1), [mul2] "r"(multiplier_2), [addend] "r"(addend), [other] "r"(value)      \
                   : "memory")

#endif
/* clang-format on */

#if !(defined(ARM_MATH_MVEI) && defined(__GNUC__))
/* Products of 32 bits, which every core has an instruction for. */
static inline int32_t term(const int32_t multiplier, const int32_t byte)
{
    return (multiplier >> 8) * byte + (((multiplier & 0xFF) * byte) >> 8);
}
#endif

void sparsec_residual_add_s8(const int32_t multiplier_1,
                             const int32_t multiplier_2,
                             const int32_t addend,
                             const int32_t shift,
                             const cmsis_nn_activation *activation,
                             const int8_t *input_1,
                             const int8_t *input_2,
                             int32_t size,
                             int8_t *output)
{
#if defined(ARM_MATH_MVEI) && defined(__GNUC__)
    const int32_t start = addend - (1 << (shift - 1));
    if (shift == USUAL_SHIFT && activation->min == INT8_MIN && activation->max == INT8_MAX)
    {
        for (; size >= 16; size -= 16)
        {
            RUN(SIXTEEN(LOAD, "", "", STORE));
        }
    }
    for (; size > 0; size -= 16)
    {
        RUN(SIXTEEN(LOAD_LEFT, SHIFT, BOUND, STORE_LEFT));
    }
#else
    #if defined(PACKED_ASSEMBLY)
    int8_t *const words = output;
    int32_t odd_1, odd_2, even_1, even_2, sum;
    if (shift == USUAL_SHIFT)
    {
        for (; size >= 8; size -= 8)
        {
            RUN(FOUR(USUAL_EVEN, USUAL_END) FOUR(USUAL_EVEN, USUAL_END), 0xFF00FF00u);
        }
    }
    for (; size >= 4; size -= 4)
    {
        RUN(FOUR(ANY_EVEN, ANY_END), shift);
    }
    sparsec_clamp_bytes(words, (int32_t)(output - words), activation);
    #endif
    #if defined(__GNUC__)
        #pragma GCC unroll 1
    #endif
    for (; size > 0; size--)
    {
        const int32_t total = addend + term(multiplier_1, *input_1++) + term(multiplier_2, *input_2++);
        *output++ = sparsec_clamp(total >> shift, activation);
    }
#endif
}
