/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Dense convolution of four pixels at a time. The rows of a window are runs of bytes that lie one behind the other, read
 * where they are. Where they are short, and vectors would be nearly empty, or the window has gaps, they are copied to one
 * run first, as sparsec/layouts/quads.py decides. The weights of each run are filled up with zeros to whole vectors.
 */

#include "sparsec.h"
#include "sparsec_quads.h"

#include <stddef.h>

#define VECTOR 16

typedef struct
{
    int32_t runs;
    int32_t bytes;  /* Of a run */
    int32_t behind; /* Bytes from the last whole vector of a run to the next one */
    int8_t *packed; /* Where windows are copied to; NULL if they are not */
    cmsis_nn_dims filter_dims;
    int32_t tap;  /* Bytes from a tap to the one beside it, if there is a gap between them, else of a row of taps */
    int32_t step; /* Bytes from a row of taps to the next */
} shape_of_runs;

static int32_t whole_vectors(const int32_t bytes)
{
    return (bytes + VECTOR - 1) / VECTOR * VECTOR;
}

#if defined(ARM_MATH_MVEI)

/* What the code of a run reads: it is called `q` there. */
typedef struct
{
    const int8_t *window[SPARSEC_QUAD];
    int32_t bytes;
    int32_t behind;
    int32_t runs;
    int32_t output_offset;
} quad_of_runs;

    #define WINDOWS_0_1 "ldrd %[x0], %[x1], [%[q]]\n\t"
    #define WINDOWS_2_3 "ldrd %[x2], %[x3], [%[q], #8]\n\t"

/* The products of a run of four windows. */
    #define ADD_RUN                     \
        "ldr %[m], [%[q], #16]\n\t"     \
        "dlstp.8 lr, %[m]\n"            \
        "1:\n\t"                        \
        "vldrb.8 q0, [%[b]], #16\n\t"   \
        "vldrb.8 q1, [%[x0]], #16\n\t"  \
        "vmladava.s8 %[a0], q0, q1\n\t" \
        "vldrb.8 q2, [%[x1]], #16\n\t"  \
        "vmladava.s8 %[a1], q0, q2\n\t" \
        "vldrb.8 q1, [%[x2]], #16\n\t"  \
        "vmladava.s8 %[a2], q0, q1\n\t" \
        "vldrb.8 q2, [%[x3]], #16\n\t"  \
        "vmladava.s8 %[a3], q0, q2\n\t" \
        "letp lr, 1b\n\t"

/* Those of all runs, of which there are more than one. */
    #define ADD_RUNS                                            \
        "ldr %[s], [%[q], #24]\n\t" ADD_RUN "2:\n\t"            \
        "ldr %[m], [%[q], #20]\n\t"                             \
        "subs %[s], %[s], #1\n\t"                               \
        "add %[x0], %[x0], %[m]\n\t"                            \
        "add %[x1], %[x1], %[m]\n\t"                            \
        "add %[x2], %[x2], %[m]\n\t"                            \
        "add %[x3], %[x3], %[m]\n\t" ADD_RUN "cmp %[s], #1\n\t" \
        "bne 2b\n\t"

    #define END(RESULT, ADD) SPARSEC_END_CHANNEL(RESULT, WINDOWS_0_1, WINDOWS_2_3, "") ADD

    #define OPERANDS                                                                                   \
        [b] "+r"(rows), [m] "=&r"(m), [s] "=&r"(s), [a0] "=&Te"(a0), [a1] "=&Te"(a1), [a2] "=&Te"(a2), \
            [a3] "=&Te"(a3), [x0] "=&r"(x0), [x1] "=&r"(x1), [x2] "=&r"(x2), [x3] "=&r"(x3) : [q] "r"(runs)

    #define FOUR_CHANNELS(ADD)                                                                                 \
        __ASM volatile(                                                                                        \
            SPARSEC_BEGIN_CHANNEL WINDOWS_0_1 WINDOWS_2_3 ADD END("%q[bytes]", ADD) END("q5", ADD)             \
                END("q6", ADD) "ldr %[x0], [%[q], #28]\n\t" SPARSEC_END_FOUR("%[x0]") : [bytes] "=&t"(result), \
            OPERANDS : "lr",                                                                                   \
            "q0",                                                                                              \
            "q1",                                                                                              \
            "q2",                                                                                              \
            "q5",                                                                                              \
            "q6",                                                                                              \
            "q7",                                                                                              \
            "memory",                                                                                          \
            "cc")

    #define ONE_CHANNEL(ADD)                                                              \
        __ASM volatile(SPARSEC_BEGIN_CHANNEL WINDOWS_0_1 WINDOWS_2_3 ADD:OPERANDS : "lr", \
                       "q0",                                                              \
                       "q1",                                                              \
                       "q2",                                                              \
                       "memory",                                                          \
                       "cc")

SPARSEC_INLINE const uint8_t *four_channels(const quad_of_runs *runs, const uint8_t *rows, int8x16_t *bytes)
{
    int32_t a0, a1, a2, a3, m, s, x0, x1, x2, x3;
    int8x16_t result;
    if (runs->runs == 1)
    {
        FOUR_CHANNELS(ADD_RUN);
    }
    else
    {
        FOUR_CHANNELS(ADD_RUNS);
    }
    *bytes = result;
    return rows;
}

static SPARSEC_NOINLINE int32x4_t one_channel(const quad_of_runs *runs, const uint8_t **stream)
{
    const uint8_t *rows = *stream;
    int32_t a0, a1, a2, a3, m, s, x0, x1, x2, x3;
    if (runs->runs == 1)
    {
        ONE_CHANNEL(ADD_RUN);
    }
    else
    {
        ONE_CHANNEL(ADD_RUNS);
    }
    *stream = rows;
    return sparsec_quad_results(stream, sparsec_vector_of(a0, a1, a2, a3), runs->output_offset);
}

SPARSEC_INLINE void all_channels(const sparsec_quad_layer *layer, const sparsec_quad *quad)
{
    const shape_of_runs *shape = layer->own;
    const quad_of_runs runs = {
        .window = {quad->window[0], quad->window[1], quad->window[2], quad->window[3]},
        .bytes = shape->bytes,
        .behind = shape->behind,
        .runs = shape->runs,
        .output_offset = layer->output_offset,
    };
    const uint8_t *rows = layer->rows;
    SPARSEC_EACH_CHANNEL(layer, quad, rows = four_channels(&runs, rows, &bytes), one_channel(&runs, &rows))
}

#else

SPARSEC_INLINE void all_channels(const sparsec_quad_layer *layer, const sparsec_quad *quad)
{
    const shape_of_runs *shape = layer->own;
    const int32_t whole = whole_vectors(shape->bytes);
    const uint8_t *rows = layer->rows;
    for (int32_t channel = 0; channel < layer->channels; channel++)
    {
        const int32_t bias = sparsec_next_word(&rows);
        const uint8_t *const numbers = rows + shape->runs * whole;
        for (int32_t i = 0; i < quad->count; i++)
        {
            int32_t sum = bias;
            for (int32_t run = 0; run < shape->runs; run++)
            {
                const int8_t *const line = quad->window[i] + run * (whole + shape->behind);
                for (int32_t k = 0; k < shape->bytes; k++)
                {
                    sum += (int8_t)rows[run * whole + k] * line[k];
                }
            }
            quad->output[i * layer->channels + channel] = sparsec_quad_output(layer, numbers, sum);
        }
        rows = numbers + 2 * sizeof(int32_t);
    }
}

#endif

/* The windows of four pixels as one run each. */
static SPARSEC_NOINLINE void
pack(const shape_of_runs *shape, const int8_t *const *windows, const int8_t **packed_windows)
{
    int8_t *packed = shape->packed;
    for (int32_t i = 0; i < SPARSEC_QUAD; i++)
    {
        const int8_t *line = windows[i];
        packed_windows[i] = packed;
        for (int32_t ky = 0; ky < shape->filter_dims.h; ky++)
        {
            const int8_t *tap = line;
            for (int32_t kx = 0; kx < shape->filter_dims.w; kx++)
            {
                arm_memcpy_s8(packed, tap, (uint32_t)shape->filter_dims.c);
                packed += shape->filter_dims.c;
                tap += shape->tap;
            }
            line += shape->step;
        }
    }
}

SPARSEC_INLINE void packed_or_not(const sparsec_quad_layer *layer, const sparsec_quad *quad)
{
    const shape_of_runs *shape = layer->own;
    sparsec_quad read = *quad;
    if (shape->packed)
    {
        pack(shape, quad->window, read.window);
    }
    all_channels(layer, &read);
}

void sparsec_convolve_runs_s8(const cmsis_nn_context *ctx,
                              const cmsis_nn_conv_params *conv_params,
                              const cmsis_nn_dims *input_dims,
                              const int8_t *input,
                              const cmsis_nn_dims *filter_dims,
                              const int32_t packed,
                              const int32_t *rows,
                              const cmsis_nn_dims *output_dims,
                              int8_t *output)
{
    sparsec_quad_layer layer =
        sparsec_quad_layer_of(conv_params, input_dims, input, filter_dims, output_dims, rows, false);
    shape_of_runs shape;
    shape.filter_dims = *filter_dims;
    shape.tap = conv_params->dilation.w * input_dims->c;
    shape.step = conv_params->dilation.h * layer.pitch;
    if (conv_params->dilation.w == 1)
    {
        /* Taps of a row lie one behind the other. */
        shape.filter_dims.c *= filter_dims->w;
        shape.filter_dims.w = 1;
    }
    shape.runs = packed ? 1 : filter_dims->h;
    shape.bytes = (packed ? shape.filter_dims.h * shape.filter_dims.w : 1) * shape.filter_dims.c;
    shape.behind = shape.step - whole_vectors(shape.bytes);
    shape.packed = NULL;
    if (packed)
    {
        /* Behind the band, if there is one. */
        shape.packed = ctx->buf;
        shape.packed += layer.copied ? sparsec_band_bytes(conv_params, input_dims, filter_dims, output_dims) : 0;
    }
    layer.own = &shape;
    sparsec_convolve_quads(ctx,
                           conv_params,
                           input_dims,
                           input,
                           filter_dims,
                           output_dims,
                           output,
                           &layer,
                           packed_or_not);
}
