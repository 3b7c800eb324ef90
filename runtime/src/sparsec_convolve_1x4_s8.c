/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Convolution by blocks of four weights of neighbouring columns, four pixels at a time. Four blocks make a group: how far
 * the inputs of each lie from the begin of the window, in words of two bytes, then sixteen weights. The inputs of a group
 * are gathered as words, so windows must begin at a multiple of four bytes.
 */

#include "sparsec.h"
#include "sparsec_quads.h"

#define BLOCK 4
#define GROUP 4
#define GROUP_BYTES (GROUP * (2 + BLOCK))

#if defined(ARM_MATH_MVEI)

/* The groups of a channel, `m` of them. */
    #define ADD_GROUPS                           \
        "wls lr, %[m], 2f\n"                     \
        "1:\n\t"                                 \
        "vldrh.u32 q0, [%[b]], #8\n\t"           \
        "vldrb.8 q1, [%[b]], #16\n\t"            \
        "vldrw.u32 q2, [%[x0], q0, uxtw #2]\n\t" \
        "vmladava.s8 %[a0], q1, q2\n\t"          \
        "vldrw.u32 q3, [%[x1], q0, uxtw #2]\n\t" \
        "vmladava.s8 %[a1], q1, q3\n\t"          \
        "vldrw.u32 q2, [%[x2], q0, uxtw #2]\n\t" \
        "vmladava.s8 %[a2], q1, q2\n\t"          \
        "vldrw.u32 q3, [%[x3], q0, uxtw #2]\n\t" \
        "vmladava.s8 %[a3], q1, q3\n\t"          \
        "le lr, 1b\n"                            \
        "2:\n\t"

    #define COUNT "ldr %[m], [%[b]], #4\n\t"
    #define END(RESULT) SPARSEC_END_CHANNEL(RESULT, "", "", COUNT) ADD_GROUPS

    #define OPERANDS(windows)                                                                          \
        [b] "+l"(rows), [m] "=&r"(m), [s] "=&r"(s), [a0] "=&Te"(a0), [a1] "=&Te"(a1), [a2] "=&Te"(a2), \
            [a3] "=&Te"(a3)                                                                            \
            : [x0] "r"((windows)[0]), [x1] "r"((windows)[1]), [x2] "r"((windows)[2]), [x3] "r"((windows)[3])

SPARSEC_INLINE const uint8_t *
four_channels(const sparsec_quad *quad, const uint8_t *rows, const int32_t output_offset, int8x16_t *bytes)
{
    int32_t a0, a1, a2, a3, m, s;
    int8x16_t result;
    __ASM volatile(SPARSEC_BEGIN_CHANNEL COUNT ADD_GROUPS END("%q[bytes]") END("q5") END("q6")
                       SPARSEC_END_FOUR("%[offset]") : [bytes] "=&t"(result),
                   OPERANDS(quad->window),
                   [offset] "r"(output_offset) : "lr",
                   "q0",
                   "q1",
                   "q2",
                   "q3",
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
    __ASM volatile(SPARSEC_BEGIN_CHANNEL COUNT ADD_GROUPS : OPERANDS(quad->window) : "lr",
                   "q0",
                   "q1",
                   "q2",
                   "q3",
                   "memory",
                   "cc");
    *stream = rows;
    return sparsec_quad_results(stream, sparsec_vector_of(a0, a1, a2, a3), output_offset);
}

static SPARSEC_NOINLINE void channels_one_by_one(const sparsec_quad_layer *layer, const sparsec_quad *quad){
    SPARSEC_EACH_CHANNEL(layer, quad, one_channel(quad, &rows, offset))}

SPARSEC_INLINE void groups_of_blocks(const sparsec_quad_layer *layer, sparsec_quad *quad)
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

static void groups_of_blocks(const sparsec_quad_layer *layer, sparsec_quad *quad)
{
    const uint8_t *rows = layer->rows;
    for (int32_t channel = 0; channel < layer->channels; channel++)
    {
        const int32_t bias = sparsec_next_word(&rows);
        const int32_t groups = sparsec_next_word(&rows);
        const uint8_t *const numbers = rows + groups * GROUP_BYTES;
        for (int32_t i = 0; i < quad->count; i++)
        {
            int32_t sum = bias;
            for (const uint8_t *group = rows; group != numbers; group += GROUP_BYTES)
            {
                for (int32_t k = 0; k < GROUP * BLOCK; k++)
                {
                    const uint8_t *const place = group + k / BLOCK * 2;
                    const int32_t at = BLOCK * (place[0] | place[1] << 8) + k % BLOCK;
                    sum += (int8_t)group[2 * GROUP + k] * quad->window[i][at];
                }
            }
            quad->output[i * layer->channels + channel] = sparsec_quad_output(layer, numbers, sum);
        }
        rows = numbers + 2 * sizeof(int32_t);
    }
}

#endif

void sparsec_convolve_1x4_s8(const cmsis_nn_context *ctx,
                             const cmsis_nn_conv_params *conv_params,
                             const cmsis_nn_dims *input_dims,
                             const int8_t *input,
                             const cmsis_nn_dims *filter_dims,
                             const int32_t *rows,
                             const cmsis_nn_dims *output_dims,
                             int8_t *output)
{
    const sparsec_quad_layer layer =
        sparsec_quad_layer_of(conv_params, input_dims, input, filter_dims, output_dims, rows, true);
    sparsec_convolve_quads(ctx,
                           conv_params,
                           input_dims,
                           input,
                           filter_dims,
                           output_dims,
                           output,
                           &layer,
                           groups_of_blocks);
}
