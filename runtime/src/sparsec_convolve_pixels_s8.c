/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A sparse convolution of channel-major activations. Up to 28 positions of all planes are one block: a weight is
 * multiplied with as many neighbouring bytes of its plane, wherever its tap lies. What lies between rows is computed
 * too, and then filled, so that a row needs no loop of its own.
 */

#include "sparsec.h"
#include "sparsec_arch.h"
#include "sparsec_planes.h"

/* Four positions are a vector. A block has as many as there are registers for, but for the one that is loaded. */
#define MOST_VECTORS 7

/* A row of weights as it stands in memory. */
typedef struct
{
    int32_t bias;
    int32_t multiplier;
    int32_t shift;
    int32_t count;
} row_numbers;

/* What the blocks of a layer have in common. */
typedef struct
{
    const int32_t *rows;
    const uint16_t *steps;
    const int8_t *weights;
    int32_t channels;
    int32_t plane;
    int32_t output_offset;
    cmsis_nn_activation activation;
} layer;

#if defined(ARM_MATH_MVEI)

    /* What follows is written down because gcc moves accumulators about where there are six or seven.
     *
     * A product of zero and what was there, plus the bias, is the bias: half of the accumulators begin so, as multiplications
     * run beside what sets the others. */
    #define BEGIN_MOVED(k) "vdup.32 %q[a" #k "], %[bias]\n\t"
    #define BEGIN_MULTIPLIED(k) "vmlas.s32 %q[a" #k "], %q[x], %[bias]\n\t"
    #define BEGIN_1 "vmov.i32 %q[x], #0\n\t" BEGIN_MULTIPLIED(0)
    #define BEGIN_2 BEGIN_1 BEGIN_MOVED(1)
    #define BEGIN_3 BEGIN_2 BEGIN_MULTIPLIED(2)
    #define BEGIN_4 BEGIN_3 BEGIN_MOVED(3)
    #define BEGIN_5 BEGIN_4 BEGIN_MULTIPLIED(4)
    #define BEGIN_6 BEGIN_5 BEGIN_MOVED(5)
    #define BEGIN_7 BEGIN_6 BEGIN_MULTIPLIED(6)
    #define STEP(k, offset)                          \
        "vldrb.s32 %q[x], [%[at], #" #offset "]\n\t" \
        "vmla.s32 %q[a" #k "], %q[x], %[weight]\n\t"
    #define STEPS_1 STEP(0, 0)
    #define STEPS_2 STEPS_1 STEP(1, 4)
    #define STEPS_3 STEPS_2 STEP(2, 8)
    #define STEPS_4 STEPS_3 STEP(3, 12)
    #define STEPS_5 STEPS_4 STEP(4, 16)
    #define STEPS_6 STEPS_5 STEP(5, 20)
    #define STEPS_7 STEPS_6 STEP(6, 24)
    #define ACC(k) [a##k] "=&t"(acc[k])
    #define ACCS_1 ACC(0)
    #define ACCS_2 ACCS_1, ACC(1)
    #define ACCS_3 ACCS_2, ACC(2)
    #define ACCS_4 ACCS_3, ACC(3)
    #define ACCS_5 ACCS_4, ACC(4)
    #define ACCS_6 ACCS_5, ACC(5)
    #define ACCS_7 ACCS_6, ACC(6)
    #define WALK(vectors)                                                                                  \
        __ASM volatile(BEGIN_##vectors "wls     lr, %[count], 2f\n"                                        \
                                       "1:\n\t"                                                            \
                                       "ldrh    %[step], [%[steps]], #2\n\t"                               \
                                       "ldrsb   %[weight], [%[weights]], #1\n\t"                           \
                                       "add     %[at], %[step]\n\t" STEPS_##vectors "le      lr, 1b\n"     \
                                                                                    "2:" : ACCS_##vectors, \
                       [x] "=&t"(loaded),                                                                  \
                       [at] "+l"(at),                                                                      \
                       [steps] "+r"(steps),                                                                \
                       [weights] "+r"(weights),                                                            \
                       [step] "=&r"(step),                                                                 \
                       [weight] "=&r"(weight) : [count] "r"(row->count),                                   \
                       [bias] "r"(row->bias) : "lr",                                                       \
                       "cc",                                                                               \
                       "memory")

    /* Where sparsec_is_saturated: sign + centre + (acc * m + 2^30 >> 31), centre being the rounding half and the offset, is
     * shifted to the left so that bytes saturate, and back. The sign is the upper word of 2 * acc. Two vectors are under way
     * in registers t and u, of which one was the first accumulator: every other instruction is a multiplication. */
    #define SIGN(t, k) "vqdmulh.s32 %q[" #t "], %q[a" #k "], %[one]\n\t"
    #define CENTRE(t) "vadd.i32 %q[" #t "], %q[" #t "], %[centre]\n\t"
    #define SCALE(t, k) "vqrdmlah.s32 %q[" #t "], %q[a" #k "], %[multiplier]\n\t"
    #define SATURATE(t)                     \
        "vqshl.s32 %q[" #t "], %[left]\n\t" \
        "vqdmulh.s32 %q[" #t "], %q[" #t "], %[back]\n\t"
    #define STORE(t, offset) "vstrb.32 %q[" #t "], [%[output], #" #offset "]\n\t"
    #define FIRST SIGN(x, 0) CENTRE(x) SCALE(x, 0)
    #define NEXT(t, offset, u, k, after) SATURATE(t) CENTRE(u) SCALE(u, k) STORE(t, offset) SIGN(t, after)
    #define LAST(t, offset, u, k, last) SATURATE(t) CENTRE(u) SCALE(u, k) STORE(t, offset) SATURATE(u) STORE(u, last)
    #define STORES_1 FIRST SATURATE(x) STORE(x, 0)
    #define STORES_2 FIRST SIGN(a0, 1) LAST(x, 0, a0, 1, 4)
    #define STORES_3 FIRST SIGN(a0, 1) NEXT(x, 0, a0, 1, 2) LAST(a0, 4, x, 2, 8)
    #define STORES_4 FIRST SIGN(a0, 1) NEXT(x, 0, a0, 1, 2) NEXT(a0, 4, x, 2, 3) LAST(x, 8, a0, 3, 12)
    #define STORES_5 \
        FIRST SIGN(a0, 1) NEXT(x, 0, a0, 1, 2) NEXT(a0, 4, x, 2, 3) NEXT(x, 8, a0, 3, 4) LAST(a0, 12, x, 4, 16)
    #define STORES_6                                                                                           \
        FIRST SIGN(a0, 1) NEXT(x, 0, a0, 1, 2) NEXT(a0, 4, x, 2, 3) NEXT(x, 8, a0, 3, 4) NEXT(a0, 12, x, 4, 5) \
            LAST(x, 16, a0, 5, 20)
    #define STORES_7                                                                                           \
        FIRST SIGN(a0, 1) NEXT(x, 0, a0, 1, 2) NEXT(a0, 4, x, 2, 3) NEXT(x, 8, a0, 3, 4) NEXT(a0, 12, x, 4, 5) \
            NEXT(x, 16, a0, 5, 6) LAST(a0, 20, x, 6, 24)
    #define SUM(k) [a##k] "t"(acc[k])
    #define SUMS_1
    #define SUMS_2 SUM(1),
    #define SUMS_3 SUMS_2 SUM(2),
    #define SUMS_4 SUMS_3 SUM(3),
    #define SUMS_5 SUMS_4 SUM(4),
    #define SUMS_6 SUMS_5 SUM(5),
    #define SUMS_7 SUMS_6 SUM(6),
    #define STORE_SATURATED(vectors)                                   \
        __ASM volatile(STORES_##vectors : [a0] "+t"(acc[0]),           \
                       [x] "=&t"(loaded) : SUMS_##vectors[one] "r"(1), \
                       [centre] "r"(centre),                           \
                       [multiplier] "r"(row->multiplier),              \
                       [left] "r"(24 + row->shift),                    \
                       [back] "r"(1 << 7),                             \
                       [output] "l"(output) : "memory")

/* Each size is code of its own. */
    #define OF_SIZE(what) \
        switch (vectors)  \
        {                 \
        case 1:           \
            what(1);      \
            break;        \
        case 2:           \
            what(2);      \
            break;        \
        case 3:           \
            what(3);      \
            break;        \
        case 4:           \
            what(4);      \
            break;        \
        case 5:           \
            what(5);      \
            break;        \
        case 6:           \
            what(6);      \
            break;        \
        default:          \
            what(7);      \
            break;        \
        }

/* Any row. It is no part of the loops, whose accumulators it would have moved. */
static SPARSEC_NOINLINE void
store_any(const int32_t *acc, const int32_t vectors, const row_numbers *row, const layer *layer, int8_t *output)
{
    for (int32_t i = 0; i < vectors; i++)
    {
        int32x4_t result = arm_requantize_mve(vldrwq_s32(acc + 4 * i), row->multiplier, row->shift);
        result = vaddq_n_s32(result, layer->output_offset);
        result = vmaxq_s32(result, vdupq_n_s32(layer->activation.min));
        vstrbq_s32(output + 4 * i, vminq_s32(result, vdupq_n_s32(layer->activation.max)));
    }
}

/* All output channels at 4 * `vectors` positions. */
SPARSEC_ALWAYS_INLINE void
convolve_block(const int32_t vectors, const layer *layer, const int8_t *input, int8_t *output)
{
    const row_numbers *row = (const row_numbers *)layer->rows;
    const row_numbers *const end = row + layer->channels;
    const uint16_t *steps = layer->steps;
    const int8_t *weights = layer->weights;
    const int32_t twice_offset = 2 * layer->output_offset + 1;
    const bool full = layer->activation.min == INT8_MIN && layer->activation.max == INT8_MAX;
    for (; row != end; row++)
    {
        int32x4_t acc[MOST_VECTORS];
        int32x4_t loaded;
        const int8_t *at = input;
        int32_t step;
        int32_t weight;
        OF_SIZE(WALK)
        if (full && row->shift < 0 && row->shift >= -22)
        {
            const int32_t centre = (int32_t)((uint32_t)twice_offset << (-row->shift - 1));
            OF_SIZE(STORE_SATURATED)
        }
        else
        {
            int32_t sums[4 * MOST_VECTORS];
            for (int32_t i = 0; i < vectors; i++)
            {
                vstrwq_s32(sums + 4 * i, acc[i]);
            }
            store_any(sums, vectors, row, layer, output);
        }
        output += layer->plane;
    }
}

#else

SPARSEC_ALWAYS_INLINE void
convolve_block(const int32_t vectors, const layer *layer, const int8_t *input, int8_t *output)
{
    const row_numbers *row = (const row_numbers *)layer->rows;
    const uint16_t *step = layer->steps;
    const int8_t *weight = layer->weights;
    for (int32_t channel = 0; channel < layer->channels; channel++)
    {
        int32_t acc[4 * MOST_VECTORS];
        const int8_t *at = input;
        for (int32_t i = 0; i < 4 * vectors; i++)
        {
            acc[i] = row->bias;
        }
        for (int32_t entry = 0; entry < row->count; entry++)
        {
            at += *step++;
            for (int32_t i = 0; i < 4 * vectors; i++)
            {
                acc[i] += at[i] * *weight;
            }
            weight++;
        }
        for (int32_t i = 0; i < 4 * vectors; i++)
        {
            output[i] = sparsec_output(acc[i], row->multiplier, row->shift, layer->output_offset, &layer->activation);
        }
        output += layer->plane;
        row++;
    }
}

#endif

/* A function for each size, so that accumulators are registers. */
#define BLOCK_OF(vectors)                                                                                          \
    static SPARSEC_NOINLINE void convolve_block_##vectors(const layer *layer, const int8_t *input, int8_t *output) \
    {                                                                                                              \
        convolve_block(vectors, layer, input, output);                                                             \
    }

BLOCK_OF(1)
BLOCK_OF(2)
BLOCK_OF(3)
BLOCK_OF(4)
BLOCK_OF(5)
BLOCK_OF(6)
BLOCK_OF(7)

static void (*const convolve_blocks[MOST_VECTORS])(const layer *, const int8_t *, int8_t *) = {convolve_block_1,
                                                                                               convolve_block_2,
                                                                                               convolve_block_3,
                                                                                               convolve_block_4,
                                                                                               convolve_block_5,
                                                                                               convolve_block_6,
                                                                                               convolve_block_7};

void sparsec_convolve_pixels_s8(const cmsis_nn_conv_params *conv_params,
                                const sparsec_planes *input_planes,
                                const int8_t *input,
                                const int32_t *rows,
                                const uint16_t *steps,
                                const int8_t *weights,
                                const cmsis_nn_dims *output_dims,
                                const sparsec_planes *output_planes,
                                int8_t *output)
{
    const layer layer = {rows,
                         steps,
                         weights,
                         output_dims->c,
                         output_planes->plane,
                         conv_params->output_offset,
                         conv_params->activation};
    const int32_t positions = (output_dims->h - 1) * output_planes->pitch + output_dims->w;
    int32_t vectors = (positions + 3) / 4;
    int8_t *block = output + output_planes->first;
    input += input_planes->first - conv_params->padding.h * input_planes->pitch - conv_params->padding.w;
    /* Blocks of about the same size: small ones have as much to do for each row. */
    for (int32_t blocks = (vectors + MOST_VECTORS - 1) / MOST_VECTORS; blocks > 0; blocks--)
    {
        const int32_t size = (vectors + blocks - 1) / blocks;
        convolve_blocks[size - 1](&layer, input, block);
        input += 4 * size;
        block += 4 * size;
        vectors -= size;
    }
    sparsec_fill_gaps(output_dims, output_planes, output);
}
