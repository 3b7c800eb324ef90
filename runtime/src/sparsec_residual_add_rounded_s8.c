/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The sum as arm_elementwise_add_s8 rounds it, for a first input whose term needs no rounding. Both inputs are shifted to
 * the left by INPUT_SHIFT; the first is halved then, the second multiplied and divided by a power of two, as the sum is.
 */

#include "sparsec.h"
#include "sparsec_arch.h"
#include "sparsec_clamp_bytes.h"

#define INPUT_SHIFT 20

typedef struct
{
    int32_t offset_1;
    int32_t offset_2;
    int32_t multiplier;
    int32_t shift;
    int32_t output_multiplier;
    int32_t output_shift;
    int32_t output_offset;
} numbers_t;

#if defined(ARM_MATH_MVEI)

    /* How far offsets and bytes are shifted to the left in 16 bits, which have room for one bit more. */
    #define WIDENED 7

/* value * multiplier / 2^(31 - shift) for a shift below 0. The sign is what rounds halves away from zero. */
static inline int32x4_t scale_lanes(const int32x4_t value, const int32_t multiplier, const int32_t shift)
{
    return vrshlq_n_s32(vqrdmlahq_n_s32(vshrq_n_s32(value, 31), value, multiplier), shift);
}

/* Lanes of both inputs, shifted to the left already and those of the first halved. */
static inline int32x4_t add_lanes(const numbers_t n, const int32x4_t term_1, const int32x4_t lanes_2)
{
    const int32x4_t sum = vaddq_s32(term_1, scale_lanes(lanes_2, n.multiplier, n.shift));
    return scale_lanes(sum, n.output_multiplier, n.output_shift);
}

/* Eight outputs in 16 bits. */
static inline int16x8_t add_halves(const numbers_t n, const int16x8_t bytes_1, const int16x8_t bytes_2)
{
    const int16x8_t halves_1 = vaddq_n_s16(bytes_1, (int16_t)(n.offset_1 * (1 << WIDENED)));
    const int16x8_t halves_2 = vaddq_n_s16(bytes_2, (int16_t)(n.offset_2 * (1 << WIDENED)));
    const int32x4_t even = add_lanes(n,
                                     vshllbq_n_s16(halves_1, INPUT_SHIFT - 1 - WIDENED),
                                     vshllbq_n_s16(halves_2, INPUT_SHIFT - WIDENED));
    const int32x4_t odd = add_lanes(n,
                                    vshlltq_n_s16(halves_1, INPUT_SHIFT - 1 - WIDENED),
                                    vshlltq_n_s16(halves_2, INPUT_SHIFT - WIDENED));
    const int16x8_t sums = vqmovntq_s32(vqmovnbq_s32(vreinterpretq_s16_s32(even), even), odd);
    return vqaddq_n_s16(sums, (int16_t)n.output_offset);
}

/* Sixteen outputs: widening takes even and odd lanes apart, and narrowing puts them together again. */
static inline int8x16_t add_vectors(const numbers_t n, const int8x16_t bytes_1, const int8x16_t bytes_2)
{
    const int16x8_t even = add_halves(n, vshllbq_n_s8(bytes_1, WIDENED), vshllbq_n_s8(bytes_2, WIDENED));
    const int16x8_t odd = add_halves(n, vshlltq_n_s8(bytes_1, WIDENED), vshlltq_n_s8(bytes_2, WIDENED));
    return vqmovntq_s16(vqmovnbq_s16(vreinterpretq_s8_s16(even), even), odd);
}

#elif defined(PACKED_ASSEMBLY)

/* The upper word of the product and 2^31, added. */
static inline int32_t add_product(const int32_t addend, const int32_t factor_1, const int32_t factor_2)
{
    int32_t result;
    __ASM("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(factor_1), "r"(factor_2), "r"(addend));
    return result;
}

/* The factor is doubled; its sign is that of the product, and what rounds halves away from zero. */
static inline int32_t scale(const int32_t twice, const int32_t multiplier, const int32_t addend, const int32_t right)
{
    return add_product(addend + (twice >> 31), twice, multiplier) >> right;
}

#endif

#if !defined(ARM_MATH_MVEI)
static inline int8_t
add_bytes(const numbers_t n, const int32_t byte_1, const int32_t byte_2, const cmsis_nn_activation *const activation)
{
    const int32_t term_1 = (byte_1 + n.offset_1) * (1 << (INPUT_SHIFT - 1));
    const int32_t term_2 = sparsec_requantize((byte_2 + n.offset_2) * (1 << INPUT_SHIFT), n.multiplier, n.shift);
    return sparsec_output(term_1 + term_2, n.output_multiplier, n.output_shift, n.output_offset, activation);
}
#endif

void sparsec_residual_add_rounded_s8(const int32_t input_1_offset,
                                     const int32_t input_2_offset,
                                     const cmsis_nn_per_tensor_quant_params *input_2_params,
                                     const int32_t output_offset,
                                     const cmsis_nn_activation *activation,
                                     const cmsis_nn_per_tensor_quant_params *output_params,
                                     const int8_t *input_1,
                                     const int8_t *input_2,
                                     int32_t size,
                                     int8_t *output)
{
    const numbers_t n = {input_1_offset,
                         input_2_offset,
                         input_2_params->multiplier,
                         input_2_params->shift,
                         output_params->multiplier,
                         output_params->shift,
                         output_offset};
#if defined(ARM_MATH_MVEI)
    const int8_t low = (int8_t)activation->min;
    const int8_t high = (int8_t)activation->max;
    for (; size > 0; size -= 16)
    {
        const mve_pred16_t lanes = vctp8q((uint32_t)size);
        const int8x16_t bytes = add_vectors(n, vldrbq_z_s8(input_1, lanes), vldrbq_z_s8(input_2, lanes));
        const int8x16_t raised = vmaxq_s8(bytes, vdupq_n_s8(low));
        vstrbq_p_s8(output, vminq_s8(raised, vdupq_n_s8(high)), lanes);
        input_1 += 16;
        input_2 += 16;
        output += 16;
    }
#else
    #if defined(PACKED_ASSEMBLY)
    int8_t *const words = output;
    const int32_t twice_1 = n.offset_1 * (1 << INPUT_SHIFT);
    const int32_t twice_2 = n.offset_2 * (1 << (INPUT_SHIFT + 1));
    const int32_t right_2 = -n.shift;
    const int32_t half_2 = 1 << (right_2 - 1);
    const int32_t right = -n.output_shift;
    const int32_t half = (1 << (right - 1)) + n.output_offset * (1 << right);
    for (; size >= 4; size -= 4)
    {
        const uint32_t word_1 = (uint32_t)arm_nn_read_s8x4_ia(&input_1);
        const uint32_t word_2 = (uint32_t)arm_nn_read_s8x4_ia(&input_2);
        int8_t bytes[4];
        #pragma GCC unroll 4
        for (int32_t i = 0; i < 4; i++)
        {
            const int32_t factor = (int8_t)(word_2 >> (8 * i)) * (1 << (INPUT_SHIFT + 1)) + twice_2;
            const int32_t term_2 = scale(factor, n.multiplier, half_2, right_2);
            const int32_t term_1 = (int8_t)(word_1 >> (8 * i)) * (1 << INPUT_SHIFT) + twice_1;
            bytes[i] = sparsec_saturate(scale(term_1 + 2 * term_2, n.output_multiplier, half, right));
        }
        arm_nn_write_s8x4_ia(&output, PACK_S8x4_32x1(bytes[0], bytes[1], bytes[2], bytes[3]));
    }
    sparsec_clamp_bytes(words, (int32_t)(output - words), activation);
    #endif
    #if defined(__GNUC__)
        #pragma GCC unroll 1
    #endif
    for (; size > 0; size--)
    {
        *output++ = add_bytes(n, *input_1++, *input_2++, activation);
    }
#endif
}
