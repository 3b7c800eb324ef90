/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Convolution by blocks of sixteen weights of neighbouring columns, four pixels at a time. A block has the distance of its
 * inputs from the begin of the window in two bytes, then its weights.
 */

#include "sparsec.h"
#include "sparsec_quads.h"

#define BLOCK 16
#define PLACE 2

#if defined(ARM_MATH_MVEI)

/* The blocks of a channel, `m` of them. */
    #define ADD_BLOCKS                  \
        "wls lr, %[m], 2f\n"            \
        "1:\n\t"                        \
        "ldrh %[m], [%[b]], #2\n\t"     \
        "vldrb.8 q0, [%[b]], #16\n\t"   \
        "add %[s], %[x0], %[m]\n\t"     \
        "vldrb.8 q1, [%[s]]\n\t"        \
        "add %[s], %[x1], %[m]\n\t"     \
        "vmladava.s8 %[a0], q0, q1\n\t" \
        "vldrb.8 q2, [%[s]]\n\t"        \
        "add %[s], %[x2], %[m]\n\t"     \
        "vmladava.s8 %[a1], q0, q2\n\t" \
        "vldrb.8 q1, [%[s]]\n\t"        \
        "add %[m], %[x3], %[m]\n\t"     \
        "vmladava.s8 %[a2], q0, q1\n\t" \
        "vldrb.8 q2, [%[m]]\n\t"        \
        "vmladava.s8 %[a3], q0, q2\n\t" \
        "le lr, 1b\n"                   \
        "2:\n\t"

    #define COUNT "ldr %[m], [%[b]], #4\n\t"
    #define END(RESULT) SPARSEC_END_CHANNEL(RESULT, "", "", COUNT) ADD_BLOCKS

    #define OPERANDS(windows)                                                                          \
        [b] "+r"(rows), [m] "=&r"(m), [s] "=&r"(s), [a0] "=&Te"(a0), [a1] "=&Te"(a1), [a2] "=&Te"(a2), \
            [a3] "=&Te"(a3)                                                                            \
            : [x0] "r"((windows)[0]), [x1] "r"((windows)[1]), [x2] "r"((windows)[2]), [x3] "r"((windows)[3])

SPARSEC_INLINE const uint8_t *
four_channels(const sparsec_quad *quad, const uint8_t *rows, const int32_t output_offset, int8x16_t *bytes)
{
    int32_t a0, a1, a2, a3, m, s;
    int8x16_t result;
    __ASM volatile(SPARSEC_BEGIN_CHANNEL COUNT ADD_BLOCKS END("%q[bytes]") END("q5") END("q6")
                       SPARSEC_END_FOUR("%[offset]") : [bytes] "=&t"(result),
                   OPERANDS(quad->window),
                   [offset] "r"(output_offset) : "lr",
                   "q0",
                   "q1",
                   "q2",
                   "q5",
                   "q6",
                   "q7",
                   "memory",
                   "cc");
    *bytes = result;
    return rows;
}

static SPARSEC_NOINLINE int32x4_t one_channel(const sparsec_quad *quad,
                                              const uint8_t **stream,
                                              const int32_t output_offset)
{
    const uint8_t *rows = *stream;
    int32_t a0, a1, a2, a3, m, s;
    __ASM volatile(SPARSEC_BEGIN_CHANNEL COUNT ADD_BLOCKS : OPERANDS(quad->window) : "lr",
                   "q0",
                   "q1",
                   "q2",
                   "memory",
                   "cc");
    *stream = rows;
    return sparsec_quad_results(stream, sparsec_vector_of(a0, a1, a2, a3), output_offset);
}

static SPARSEC_NOINLINE void channels_one_by_one(const sparsec_quad_layer *layer, const sparsec_quad *quad){
    SPARSEC_EACH_CHANNEL(layer, quad, one_channel(quad, &rows, offset))}

SPARSEC_INLINE void blocks(const sparsec_quad_layer *layer, sparsec_quad *quad)
{
    if (!layer->quick)
    {
        channels_one_by_one(layer, quad);
        return;
    }
    const int32_t offset = layer->output_offset;
    SPARSEC_EACH_FOUR(layer, quad, rows = four_channels(quad, rows, offset, &bytes))
}

#else

static void blocks(const sparsec_quad_layer *layer, sparsec_quad *quad)
{
    const uint8_t *rows = layer->rows;
    for (int32_t channel = 0; channel < layer->channels; channel++)
    {
        const int32_t bias = sparsec_next_word(&rows);
        const int32_t count = sparsec_next_word(&rows);
        const uint8_t *const numbers = rows + count * (PLACE + BLOCK);
        for (int32_t i = 0; i < quad->count; i++)
        {
            int32_t sum = bias;
            const uint8_t *block = rows;
            for (int32_t left = count; left > 0; left--)
            {
                const int8_t *const input = quad->window[i] + (block[0] | block[1] << 8);
                block += PLACE;
                for (int32_t k = 0; k < BLOCK; k++)
                {
                    sum += (int8_t)*block++ * input[k];
                }
            }
            quad->output[i * layer->channels + channel] = sparsec_quad_output(layer, numbers, sum);
        }
        rows = numbers + 2 * sizeof(int32_t);
    }
}

#endif

void sparsec_convolve_1x16_s8(const cmsis_nn_context *ctx,
                              const cmsis_nn_conv_params *conv_params,
                              const cmsis_nn_dims *input_dims,
                              const int8_t *input,
                              const cmsis_nn_dims *filter_dims,
                              const int32_t *rows,
                              const cmsis_nn_dims *output_dims,
                              int8_t *output)
{
    const sparsec_quad_layer layer =
        sparsec_quad_layer_of(conv_params, input_dims, input, filter_dims, output_dims, rows, false);
    sparsec_convolve_quads(ctx, conv_params, input_dims, input, filter_dims, output_dims, output, &layer, blocks);
}
