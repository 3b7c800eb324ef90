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

/* The numbers of a quad: how many runs there are, their bytes, and those from the last whole vector of a run to the next
 * run. */
#define BYTES 0
#define BEHIND 1
#define RUNS 2

/* How windows are copied to `packed`, unless that is NULL. */
typedef struct
{
    int8_t *packed;
    int32_t height;
    int32_t width;
    int32_t bytes; /* Of a tap, or of a row of taps without gaps */
    int32_t tap;   /* Bytes from one to the next beside it */
    int32_t line;  /* Bytes from one to the next below it */
} taps;

static int32_t whole_vectors(const int32_t bytes)
{
    return (bytes + VECTOR - 1) / VECTOR * VECTOR;
}

#if defined(ARM_MATH_MVEI)

/* The code reads the quad, which it calls `q`. */
    #define WINDOWS_0_1 "ldrd %[x0], %[x1], [%[q]]\n\t"
    #define WINDOWS_2_3 "ldrd %[x2], %[x3], [%[q], #8]\n\t"

    #define SIZE "ldr %[m], [%[q], #16]\n\t"

/* The products of a run of four windows, of `m` bytes. */
    #define ADD_RUN                     \
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

/* Those of all runs, of which there are more than one; `m` are the bytes of the first one. */
    #define ADD_RUNS                                                                 \
        "ldr %[s], [%[q], #24]\n\t"                                                  \
        "b 3f\n"                                                                     \
        "2:\n\t"                                                                     \
        "ldr %[m], [%[q], #20]\n\t"                                                  \
        "add %[x0], %[x0], %[m]\n\t"                                                 \
        "add %[x1], %[x1], %[m]\n\t"                                                 \
        "add %[x2], %[x2], %[m]\n\t"                                                 \
        "add %[x3], %[x3], %[m]\n\t" SIZE "3:\n\t" ADD_RUN "subs %[s], %[s], #1\n\t" \
        "bne 2b\n\t"

    #define END(RESULT, ADD) SPARSEC_END_CHANNEL(RESULT, WINDOWS_0_1, WINDOWS_2_3, SIZE) ADD

    #define OPERANDS                                                                                   \
        [b] "+r"(rows), [m] "=&r"(m), [s] "=&r"(s), [a0] "=&Te"(a0), [a1] "=&Te"(a1), [a2] "=&Te"(a2), \
            [a3] "=&Te"(a3), [x0] "=&r"(x0), [x1] "=&r"(x1), [x2] "=&r"(x2), [x3] "=&r"(x3) : [q] "r"(quad)

    #define FOUR_CHANNELS(ADD)                                                                                 \
        __ASM volatile(                                                                                        \
            SPARSEC_BEGIN_CHANNEL WINDOWS_0_1 WINDOWS_2_3 SIZE ADD END("%q[bytes]", ADD) END("q5", ADD)        \
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

    #define ONE_CHANNEL(ADD)                                                                   \
        __ASM volatile(SPARSEC_BEGIN_CHANNEL WINDOWS_0_1 WINDOWS_2_3 SIZE ADD:OPERANDS : "lr", \
                       "q0",                                                                   \
                       "q1",                                                                   \
                       "q2",                                                                   \
                       "memory",                                                               \
                       "cc")

SPARSEC_INLINE const uint8_t *four_channels(const sparsec_quad *quad, const uint8_t *rows, int8x16_t *bytes)
{
    int32_t a0, a1, a2, a3, m, s, x0, x1, x2, x3;
    int8x16_t result;
    if (quad->numbers[RUNS] == 1)
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

static SPARSEC_NOINLINE int32x4_t one_channel(const sparsec_quad *quad, const uint8_t **stream)
{
    const uint8_t *rows = *stream;
    int32_t a0, a1, a2, a3, m, s, x0, x1, x2, x3;
    if (quad->numbers[RUNS] == 1)
    {
        ONE_CHANNEL(ADD_RUN);
    }
    else
    {
        ONE_CHANNEL(ADD_RUNS);
    }
    *stream = rows;
    return sparsec_quad_results(stream, sparsec_vector_of(a0, a1, a2, a3), quad->output_offset);
}

static SPARSEC_NOINLINE void channels_one_by_one(const sparsec_quad_layer *layer, const sparsec_quad *quad){
    SPARSEC_EACH_CHANNEL(layer, quad, one_channel(quad, &rows))}

SPARSEC_INLINE void all_channels(const sparsec_quad_layer *layer, const sparsec_quad *quad)
{
    if (!layer->quick)
    {
        channels_one_by_one(layer, quad);
        return;
    }
    SPARSEC_EACH_FOUR(layer, quad, rows = four_channels(quad, rows, &bytes))
}

#else

SPARSEC_INLINE void all_channels(const sparsec_quad_layer *layer, const sparsec_quad *quad)
{
    const int32_t size = quad->numbers[BYTES];
    const int32_t runs = quad->numbers[RUNS];
    const int32_t whole = whole_vectors(size);
    const int32_t behind = quad->numbers[BEHIND];
    const uint8_t *rows = layer->rows;
    for (int32_t channel = 0; channel < layer->channels; channel++)
    {
        const int32_t bias = sparsec_next_word(&rows);
        const uint8_t *const numbers = rows + runs * whole;
        for (int32_t i = 0; i < quad->count; i++)
        {
            int32_t sum = bias;
            for (int32_t run = 0; run < runs; run++)
            {
                const int8_t *const line = quad->window[i] + run * (whole + behind);
                for (int32_t k = 0; k < size; k++)
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

#if defined(ARM_MATH_MVEI)

/* Those of rows of up to a vector. */
static SPARSEC_NOINLINE void pack_short_rows(const taps *all, sparsec_quad *quad)
{
    const int32_t bytes = all->bytes;
    const int32_t line = all->line;
    const int32_t height = all->height;
    int8_t *packed = all->packed;
    for (int32_t i = 0; i < SPARSEC_QUAD; i++)
    {
        const int8_t *from = quad->window[i];
        quad->window[i] = packed;
        __ASM volatile("dls lr, %[height]\n"
                       "1:\n\t"
                       "vctp.8 %[bytes]\n\t"
                       "vpstt\n\t"
                       "vldrbt.8 q0, [%[from]]\n\t"
                       "vstrbt.8 q0, [%[to]]\n\t"
                       "add %[from], %[from], %[line]\n\t"
                       "add %[to], %[to], %[bytes]\n\t"
                       "le lr, 1b" : [from] "+r"(from),
                       [to] "+r"(packed) : [height] "r"(height),
                       [bytes] "r"(bytes),
                       [line] "r"(line) : "lr",
                       "q0",
                       "memory");
    }
}

#endif

/* The windows of four pixels as one run each. */
static SPARSEC_NOINLINE void pack(const taps *all, sparsec_quad *quad)
{
    const int32_t bytes = all->bytes;
    int8_t *packed = all->packed;
#if defined(ARM_MATH_MVEI)
    if (all->width == 1 && bytes <= VECTOR)
    {
        pack_short_rows(all, quad);
        return;
    }
#endif
    for (int32_t i = 0; i < SPARSEC_QUAD; i++)
    {
        const int8_t *line = quad->window[i];
        quad->window[i] = packed;
        for (int32_t ky = all->height; ky > 0; ky--)
        {
            const int8_t *tap = line;
            for (int32_t kx = all->width; kx > 0; kx--)
            {
                arm_memcpy_s8(packed, tap, (uint32_t)bytes);
                packed += bytes;
                tap += all->tap;
            }
            line += all->line;
        }
    }
}

SPARSEC_INLINE void packed_or_not(const sparsec_quad_layer *layer, sparsec_quad *quad)
{
    const taps *all = layer->own;
    if (all->packed)
    {
        pack(all, quad);
    }
    all_channels(layer, quad);
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
    /* Taps beside each other lie one behind the other, if there is no gap. */
    const int32_t together = conv_params->dilation.w == 1 ? filter_dims->w : 1;
    taps all = {
        .packed = NULL,
        .height = filter_dims->h,
        .width = filter_dims->w / together,
        .bytes = together * input_dims->c,
        .tap = conv_params->dilation.w * input_dims->c,
        .line = conv_params->dilation.h * layer.pitch,
    };
    layer.own = &all;
    layer.numbers[RUNS] = filter_dims->h;
    layer.numbers[BYTES] = all.bytes;
    if (packed)
    {
        /* Behind the band, if there is one. */
        all.packed = ctx->buf;
        all.packed += layer.copied ? sparsec_band_bytes(conv_params, input_dims, filter_dims, output_dims) : 0;
        layer.numbers[RUNS] = 1;
        layer.numbers[BYTES] = all.height * all.width * all.bytes;
    }
    layer.numbers[BEHIND] = all.line - whole_vectors(layer.numbers[BYTES]);
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
