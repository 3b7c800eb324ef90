/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_arch.h"

/* Bits of a scaled value below those of the result. */
#define EXTRA_BITS 8

/* Bits of a spread below a whole number. */
#define SPREAD_BITS 8

/* The sum of `count` bytes and that of their squares, added to what is there. */
static inline void add_run(const int8_t *input, const int32_t count, int32_t *const all, int32_t *const all_squares)
{
    /* Not in memory meanwhile: bytes might lie there. */
    int32_t sum = *all;
    int32_t squares = *all_squares;
    int32_t i = 0;
#if defined(ARM_MATH_MVEI)
    for (; i < count; i += 16)
    {
        const mve_pred16_t exist = vctp8q((uint32_t)(count - i));
        const int8x16_t values = vldrbq_z_s8(input + i, exist);
        sum = vaddvaq_s8(sum, values);
        squares = vmladavaq_s8(squares, values, values);
    }
#else
    #if defined(ARM_MATH_DSP)
        #if defined(__GNUC__)
            #pragma GCC unroll 4
        #endif
    for (; count - i >= 4; i += 4)
    {
        const uint32_t word = (uint32_t)arm_nn_read_s8x4(input + i);
        const uint32_t even = SXTB16(word);
        const uint32_t odd = SXTB16_RORn(word, 8);
        sum = (int32_t)SMLAD(even, 0x00010001, (uint32_t)sum);
        sum = (int32_t)SMLAD(odd, 0x00010001, (uint32_t)sum);
        squares = (int32_t)SMLAD(even, even, (uint32_t)squares);
        squares = (int32_t)SMLAD(odd, odd, (uint32_t)squares);
    }
    #endif
    for (; i < count; i++)
    {
        sum += input[i];
        squares += input[i] * input[i];
    }
#endif
    *all = sum;
    *all_squares = squares;
}

/* 2^25 / sqrt(value), below 2^63, as what sparsec_requantize takes. Of zero it is 0: then all values are the mean. */
static cmsis_nn_per_tensor_quant_params reciprocal_root(const uint64_t value)
{
    if (value == 0)
    {
        return (cmsis_nn_per_tensor_quant_params){0, 0};
    }
    /* The value is `scaled` * 4^fours, with `scaled` in [2^28, 2^30). */
    const uint32_t upper = (uint32_t)(value >> 32);
    const int32_t bits = upper != 0 ? 64 - (int32_t)CLZ(upper) : 32 - (int32_t)CLZ((uint32_t)value);
    const int32_t fours = bits >= 29 ? (bits - 29) / 2 : -((30 - bits) / 2);
    const uint32_t scaled = (uint32_t)(fours >= 0 ? value >> (2 * fours) : value << (-2 * fours));
    /* Newton's steps for 2^45 / sqrt(scaled), from a line that is within an eighth of it. All stays below 2^32. */
    uint32_t root = ((uint32_t)9 << 28) - (uint32_t)(((uint64_t)21 * scaled) >> 4);
    for (int32_t i = 0; i < 4; i++)
    {
        const uint32_t square = (uint32_t)(((uint64_t)root * root) >> 30);
        const uint32_t near_one = (uint32_t)(((uint64_t)square * scaled) >> 30);
        root = (uint32_t)(((uint64_t)root * (((uint32_t)3 << 30) - near_one)) >> 31);
    }
    return (cmsis_nn_per_tensor_quant_params){root > INT32_MAX ? INT32_MAX : (int32_t)root, 11 - fours};
}

/* Bytes that belong to one set and how they become results: `stride` bytes from one to the next, with one multiplier, shift
   and bias for all where `step` is 0; where it is 1 they are neighbours, with one of each for every byte. */
typedef struct
{
    int32_t bytes;
    int32_t stride;
    int32_t step;
} normalize_layout;

#if !defined(ARM_MATH_MVEI)

/* A multiplier and a shift for values that, shifted left, are below 2^30: as sparsec_requantize, in fewer instructions. */
typedef struct
{
    int32_t multiplier;
    int32_t left;
    int32_t right;
} halving;

static inline halving halving_of(const int32_t multiplier, const int32_t shift)
{
    return (halving){multiplier, shift > 0 ? shift + 1 : 1, shift > 0 ? 0 : -shift};
}

static inline int32_t halved(const int32_t value, const halving *const scale)
{
    const int32_t shifted = (int32_t)((uint32_t)value << scale->left);
    const int32_t product = (int32_t)(((int64_t)shifted * scale->multiplier + ((int64_t)1 << 31)) >> 32);
    return scale->right == 0 ? product : (((product + (product >> 31)) >> (scale->right - 1)) + 1) >> 1;
}

#endif

#if defined(ARM_MATH_DSP) && !defined(ARM_MATH_MVEI) && defined(__GNUC__)
    #define COMMON_SHIFT

/* Whether normalize_commonly gives what normalize_run does: one shift for all channels, to the right, and nothing that it
 * adds up leaves 30 bits. */
static bool is_common(const int32_t channels, const int32_t *const shift, const int32_t *const bias)
{
    const int32_t right = -shift[0];
    if (right < 1 || right > 12)
    {
        return false;
    }
    const int32_t most = ((1 << 29) >> right) - (1 << 16);
    for (int32_t c = 0; c < channels; c++)
    {
        if (shift[c] != shift[0] || bias[c] > most || bias[c] < -most)
        {
            return false;
        }
    }
    return true;
}

    /* A byte. EXTRA_BITS is the last shift. */
    #define NORMALIZE                                       \
        "ldrsb %[normal], [%[input]], #1\n\t"               \
        "ldr %[scale], [%[multiplier]], #4\n\t"             \
        "mla %[normal], %[factor], %[normal], %[start]\n\t" \
        "ldr %[sum], [%[bias]], #4\n\t"                     \
        "smmulr %[normal], %[normal], %[root]\n\t"          \
        "lsl %[sum], %[sum], %[right]\n\t"                  \
        "lsl %[normal], %[normal], #1\n\t"                  \
        "add %[sum], %[sum], %[added]\n\t"                  \
        "smmulr %[normal], %[normal], %[scale]\n\t"         \
        "add %[sum], %[sum], %[normal]\n\t"                 \
        "add %[sum], %[sum], %[normal], asr #31\n\t"        \
        "asr %[sum], %[sum], %[right]\n\t"                  \
        "ssat %[sum], #8, %[sum], asr #8\n\t"               \
        "strb %[sum], [%[output]], #1\n\t"

    #define NORMALIZE_ALL(BYTES, COUNT)                                       \
        __ASM volatile("1:\n\t" BYTES "subs %[left], %[left], #" COUNT "\n\t" \
                       "bne 1b" : [input] "+r"(input),                        \
                       [multiplier] "+r"(multiplier),                         \
                       [bias] "+r"(bias),                                     \
                       [output] "+r"(output),                                 \
                       [left] "+r"(left),                                     \
                       [normal] "=&r"(normal),                                \
                       [scale] "=&r"(scale),                                  \
                       [sum] "=&r"(sum) : [factor] "r"(factor),               \
                       [start] "r"(start),                                    \
                       [root] "r"(root->multiplier),                          \
                       [added] "r"(added),                                    \
                       [right] "r"(right) : "cc",                             \
                       "memory")

/* As normalize_run, of neighbours, without a clamp, and with a shift of the root to the left.
 *
 * Half of the first shift, the bias, half of the second shift and the offset are added before both:
 * floor((floor(x / 2^a) + c) / 2^b) = floor((x + c * 2^a) / 2^a / 2^b). */
static SPARSEC_NOINLINE void normalize_commonly(const int32_t count,
                                                const int32_t base,
                                                const cmsis_nn_per_tensor_quant_params *const root,
                                                const int32_t output_offset,
                                                const int32_t *multiplier,
                                                const int32_t right,
                                                const int32_t *bias,
                                                const int8_t *input,
                                                int8_t *output)
{
    const int32_t factor = (int32_t)((uint32_t)count << (root->shift + 1));
    const int32_t start = (int32_t)((uint32_t)base << (root->shift + 1));
    const int32_t added =
        (1 << (right - 1)) + ((1 << (EXTRA_BITS - 1)) + output_offset * (1 << EXTRA_BITS)) * (1 << right);
    int32_t left = count & ~3;
    int32_t normal;
    int32_t scale;
    int32_t sum;
    if (left != 0)
    {
        NORMALIZE_ALL(NORMALIZE NORMALIZE NORMALIZE NORMALIZE, "4");
    }
    left = count & 3;
    if (left != 0)
    {
        NORMALIZE_ALL(NORMALIZE, "1");
    }
}

#endif

/* A run of bytes from what they are without their mean, which is `count` * byte + `base`, to their results. */
static void normalize_run(const int32_t count,
                          const int32_t base,
                          const cmsis_nn_per_tensor_quant_params *const root,
                          const int32_t output_offset,
                          const cmsis_nn_activation *const activation,
                          const int32_t *multiplier,
                          const int32_t *shift,
                          const int32_t *bias,
                          const normalize_layout run,
                          const int8_t *input,
                          int8_t *output)
{
#if defined(ARM_MATH_MVEI)
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)run.stride);
    int32x4_t multipliers = vdupq_n_s32(*multiplier);
    int32x4_t shifts = vdupq_n_s32(*shift);
    int32x4_t biases = vdupq_n_s32(*bias);
    for (int32_t i = 0; i < run.bytes; i += 4)
    {
        const mve_pred16_t exist = vctp32q((uint32_t)(run.bytes - i));
        if (run.step)
        {
            multipliers = vldrwq_z_s32(multiplier + i, exist);
            shifts = vldrwq_z_s32(shift + i, exist);
            biases = vldrwq_z_s32(bias + i, exist);
        }
        int32x4_t values = vldrbq_gather_offset_z_s32(input, places, exist);
        values = vaddq_n_s32(vmulq_n_s32(values, count), base);
        values = arm_requantize_mve(values, root->multiplier, root->shift);
        values = arm_requantize_mve_32x4(values, multipliers, shifts);
        values = vrshrq_n_s32(vaddq_s32(values, biases), EXTRA_BITS);
        values = vmaxq_s32(vaddq_n_s32(values, output_offset), vdupq_n_s32(activation->min));
        values = vminq_s32(values, vdupq_n_s32(activation->max));
        vstrbq_scatter_offset_p_s32(output, places, values, exist);
        input += 4 * run.stride;
        output += 4 * run.stride;
    }
#else
    const cmsis_nn_activation clamp = *activation;
    const halving root_scale = halving_of(root->multiplier, root->shift);
    const int32_t half = 1 << (EXTRA_BITS - 1);
    if (run.step)
    {
        for (int32_t i = 0; i < run.bytes; i++)
        {
            const int32_t normal = halved(count * input[i] + base, &root_scale);
            const int32_t scaled = sparsec_requantize(normal, multiplier[i], shift[i]) + bias[i] + half;
            output[i] = sparsec_clamp((scaled >> EXTRA_BITS) + output_offset, &clamp);
        }
        return;
    }
    const halving scale = halving_of(*multiplier, *shift);
    const int32_t added = *bias + half;
    for (int32_t i = 0; i < run.bytes; i++)
    {
        const int32_t scaled = halved(halved(count * *input + base, &root_scale), &scale) + added;
        *output = sparsec_clamp((scaled >> EXTRA_BITS) + output_offset, &clamp);
        input += run.stride;
        output += run.stride;
    }
#endif
}

/* The sum of bytes `stride` apart and that of their squares, added to what is there. */
static void add_apart(const int8_t *input, const int32_t count, const int32_t stride, int32_t *sum, int32_t *squares)
{
    int32_t sums = *sum;
    int32_t products = *squares;
    for (int32_t i = 0; i < count; i++)
    {
        const int32_t value = *input;
        sums += value;
        products += value * value;
        input += stride;
    }
    *sum = sums;
    *squares = products;
}

void sparsec_normalize_s8(const int32_t input_offset,
                          const int32_t output_offset,
                          const cmsis_nn_activation *activation,
                          const int32_t groups,
                          const int32_t centered,
                          const int64_t epsilon,
                          const cmsis_nn_per_channel_quant_params *quant_params,
                          const int32_t *bias,
                          const cmsis_nn_dims *input_dims,
                          const int8_t *input,
                          int8_t *output)
{
    const int32_t channels = input_dims->c;
    const int32_t pixels = input_dims->w;
    const int32_t width = channels / groups;
    const int32_t count = pixels * width;
    /* One pixel, or one channel, is a run of neighbours. Else each channel is a run along the pixels. */
    const bool beside = pixels == 1 || channels == 1;
    const int32_t runs = beside ? 1 : width;
    const normalize_layout run =
        beside ? (normalize_layout){count, 1, channels > 1} : (normalize_layout){pixels, channels, 0};
#if defined(COMMON_SHIFT)
    const bool common = run.step != 0 && activation->min == INT8_MIN && activation->max == INT8_MAX &&
                        is_common(channels, quant_params->shift, bias);
#endif
    for (int32_t row = 0; row < input_dims->n * input_dims->h; row++)
    {
        for (int32_t first = 0; first < channels; first += width)
        {
            int32_t sum = 0;
            int32_t stored_squares = 0;
            if (width < 4 && !beside)
            {
                for (int32_t c = first; c < first + width; c++)
                {
                    add_apart(input + c, pixels, channels, &sum, &stored_squares);
                }
            }
            else
            {
                for (int32_t i = 0; i < (beside ? 1 : pixels); i++)
                {
                    add_run(input + i * channels + first, beside ? count : width, &sum, &stored_squares);
                }
            }
            /* Of the values without their zero point: sum((q + o)^2) = sum(q^2) + o * (2 * sum(q) + count * o). */
            const int64_t squares =
                stored_squares + (int64_t)input_offset * (2 * (int64_t)sum + (int64_t)count * input_offset);
            const int32_t total = centered ? sum + count * input_offset : 0;
            const int64_t spread = count * squares - (int64_t)total * total;
            const cmsis_nn_per_tensor_quant_params root =
                reciprocal_root(((uint64_t)spread << SPREAD_BITS) + (uint64_t)epsilon);
#if defined(COMMON_SHIFT)
            if (common && root.shift >= 0)
            {
                normalize_commonly(count,
                                   count * input_offset - total,
                                   &root,
                                   output_offset,
                                   quant_params->multiplier + first,
                                   -quant_params->shift[0],
                                   bias + first,
                                   input + first,
                                   output + first);
                continue;
            }
#endif
            for (int32_t c = first; c < first + runs; c++)
            {
                normalize_run(count,
                              count * input_offset - total,
                              &root,
                              output_offset,
                              activation,
                              quant_params->multiplier + c,
                              quant_params->shift + c,
                              bias + c,
                              run,
                              input + c,
                              output + c);
            }
        }
        input += pixels * channels;
        output += pixels * channels;
    }
}
