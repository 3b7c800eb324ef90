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
static inline void add_run(const int8_t *input, const int32_t count, int32_t *sum, int32_t *squares)
{
    int32_t i = 0;
#if defined(ARM_MATH_MVEI)
    for (; i < count; i += 16)
    {
        const mve_pred16_t exist = vctp8q((uint32_t)(count - i));
        const int8x16_t values = vldrbq_z_s8(input + i, exist);
        *sum = vaddvaq_s8(*sum, values);
        *squares = vmladavaq_s8(*squares, values, values);
    }
#else
    #if defined(ARM_MATH_DSP)
    for (; count - i >= 4; i += 4)
    {
        const uint32_t word = (uint32_t)arm_nn_read_s8x4(input + i);
        const uint32_t even = SXTB16(word);
        const uint32_t odd = SXTB16_RORn(word, 8);
        *sum = (int32_t)SMLAD(even, 0x00010001, (uint32_t)*sum);
        *sum = (int32_t)SMLAD(odd, 0x00010001, (uint32_t)*sum);
        *squares = (int32_t)SMLAD(even, even, (uint32_t)*squares);
        *squares = (int32_t)SMLAD(odd, odd, (uint32_t)*squares);
    }
    #endif
    for (; i < count; i++)
    {
        *sum += input[i];
        *squares += input[i] * input[i];
    }
#endif
}

/* 2^25 / sqrt(value), below 2^63, as what sparsec_requantize takes. Of zero it is 0: then all values are the mean. */
static cmsis_nn_per_tensor_quant_params reciprocal_root(uint64_t value)
{
    int32_t shift = 11;
    if (value == 0)
    {
        return (cmsis_nn_per_tensor_quant_params){0, 0};
    }
    while (value >= (uint32_t)1 << 30)
    {
        value >>= 2;
        shift--;
    }
    while (value < (uint32_t)1 << 28)
    {
        value <<= 2;
        shift++;
    }
    /* Newton's steps for 2^45 / sqrt(value), from a line that is within an eighth of it. */
    uint64_t root = ((uint64_t)9 << 28) - ((21 * value) >> 4);
    for (int32_t i = 0; i < 4; i++)
    {
        const uint64_t near_one = (((root * root) >> 30) * value) >> 30;
        root = (root * (((uint64_t)3 << 30) - near_one)) >> 31;
    }
    return (cmsis_nn_per_tensor_quant_params){root > INT32_MAX ? INT32_MAX : (int32_t)root, shift};
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
