/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions that take four output pixels at a time, without im2col: a window is read where it lies. Only where windows
 * reach over a border are the rows that a band of outputs reads copied to the scratch buffer, with padding around them.
 * What is where is said by sparsec/layouts/quads.py, which lays out the constants as one stream, a row of it for each
 * output channel: bias, multiplier, shift, and the weights as the kernel wants them. Two words in front
 * say whether all shifts are to the right, and how many bytes are in front of the last four rows.
 */

#ifndef SPARSEC_QUADS_H
#define SPARSEC_QUADS_H

#include "sparsec.h"
#include "sparsec_bands.h"
#include "sparsec_requantize_mve.h"

#if defined(__GNUC__)
    #define SPARSEC_INLINE static inline __attribute__((always_inline))
#else
    #define SPARSEC_INLINE static inline
#endif

/* Four pixels: where their windows begin. Fewer than four end with the last one several times. */
typedef struct
{
    const int8_t *window[SPARSEC_QUAD];
    int32_t numbers[3]; /* The layer's; assembly knows where they are */
    int32_t output_offset;
    int8_t *output;
    int32_t count;
} sparsec_quad;

/* What does not change between quads. */
typedef struct
{
    const uint8_t *rows;
    int32_t pitch;   /* Bytes from a row of the image, or of the band, to the next */
    int32_t columns; /* That all windows of a row reach over */
    int32_t height;  /* Rows of the output that are done at once: a band */
    bool copied;     /* Whether what a band reads is copied */
    int32_t channels;
    const uint8_t *last; /* The rows of the last four channels */
    bool quick;          /* Whether channels are done by fours: all their shifts are to the right */
    int32_t output_offset;
    cmsis_nn_activation activation;
    bool clamped;       /* Further than bytes are */
    int32_t numbers[3]; /* The kernel's, for each quad */
    const void *own;    /* The kernel's */
} sparsec_quad_layer;

/* All output channels of four pixels. */
typedef void sparsec_do_quad(const sparsec_quad_layer *layer, sparsec_quad *quad);

/* The next word of the stream. */
SPARSEC_INLINE int32_t sparsec_next_word(const uint8_t **rows)
{
    int32_t word;
    memcpy(&word, *rows, sizeof(word));
    *rows += sizeof(word);
    return word;
}

#if defined(ARM_MATH_MVEI)

/* Four sums as a vector, two at a time. */
SPARSEC_INLINE int32x4_t sparsec_vector_of(const int32_t sum0,
                                           const int32_t sum1,
                                           const int32_t sum2,
                                           const int32_t sum3)
{
    int32x4_t sums;
    __ASM("vmov %q[sums][2], %q[sums][0], %[sum0], %[sum2]\n\t"
          "vmov %q[sums][3], %q[sums][1], %[sum1], %[sum3]" : [sums] "=&t"(sums) : [sum0] "r"(sum0),
          [sum1] "r"(sum1),
          [sum2] "r"(sum2),
          [sum3] "r"(sum3));
    return sums;
}

/* Four sums of the channel whose multiplier and shift come next, as results. */
SPARSEC_INLINE int32x4_t sparsec_quad_results(const uint8_t **rows, const int32x4_t sums, const int32_t output_offset)
{
    const int32_t multiplier = sparsec_next_word(rows);
    const int32_t shift = sparsec_next_word(rows);
    return sparsec_any_of_channel(sums, multiplier, shift, output_offset);
}

    /* The code of four channels as one statement: while the sums of a channel become results, in a pipe of their own, what
 * the next one begins with is loaded. Its operands are `b`, the stream; `a0` to `a3`, sums; `m` and `s`, anything. */

    /* Sums of a channel to its results in RESULT; the bias of the next one. EARLY1, EARLY2 and LATE are what else it begins
 * with: the last one can use `m`. */
    #define SPARSEC_END_CHANNEL(RESULT, EARLY1, EARLY2, LATE)                              \
        EARLY1                                                                             \
        "ldr %[m], [%[b]], #4\n\t"                                                         \
        "ldr %[s], [%[b]], #4\n\t"                                                         \
        "vmov q0[2], q0[0], %[a0], %[a2]\n\t" EARLY2 "vmov q0[3], q0[1], %[a1], %[a3]\n\t" \
        "ldr %[a0], [%[b]], #4\n\t"                                                        \
        "vshr.s32 " RESULT ", q0, #31\n\t"                                                 \
        "mov %[a1], %[a0]\n\t"                                                             \
        "vqrdmlah.s32 " RESULT ", q0, %[m]\n\t"                                            \
        "mov %[a2], %[a0]\n\t" LATE "vrshl.s32 " RESULT ", %[s]\n\t"                       \
        "mov %[a3], %[a0]\n\t"

    /* The same of the fourth one, and all to bytes; the results of the first one are in `bytes`, the others' in q5 and q6. */
    #define SPARSEC_END_FOUR(OFFSET)                     \
        "ldr %[m], [%[b]], #4\n\t"                       \
        "vmov q0[2], q0[0], %[a0], %[a2]\n\t"            \
        "ldr %[s], [%[b]], #4\n\t"                       \
        "vmov q0[3], q0[1], %[a1], %[a3]\n\t"            \
        "vqmovnb.s32 %q[bytes], %q[bytes]\n\t"           \
        "vshr.s32 q7, q0, #31\n\t"                       \
        "vqmovnt.s32 %q[bytes], q6\n\t"                  \
        "vqrdmlah.s32 q7, q0, %[m]\n\t"                  \
        "vqmovnb.s32 q5, q5\n\t"                         \
        "vrshl.s32 q7, %[s]\n\t"                         \
        "vqadd.s16 %q[bytes], %q[bytes], " OFFSET "\n\t" \
        "vqmovnt.s32 q5, q7\n\t"                         \
        "vqmovnb.s16 %q[bytes], %q[bytes]\n\t"           \
        "vqadd.s16 q5, q5, " OFFSET "\n\t"               \
        "vqmovnt.s16 %q[bytes], q5\n\t"

    #define SPARSEC_BEGIN_CHANNEL   \
        "ldr %[a0], [%[b]], #4\n\t" \
        "mov %[a1], %[a0]\n\t"      \
        "mov %[a2], %[a0]\n\t"      \
        "mov %[a3], %[a0]\n\t"

/* Some bytes of up to four channels of up to four pixels. */
static SPARSEC_NOINLINE void sparsec_store_part(const sparsec_quad_layer *layer,
                                                const sparsec_quad *quad,
                                                const int32_t channel,
                                                const int8x16_t bytes)
{
    int8_t stored[16];
    vstrbq_s8(stored, bytes);
    const int32_t left = layer->channels - channel;
    int8_t *output = quad->output + channel;
    for (int32_t i = 0; i < quad->count; i++)
    {
        for (int32_t k = 0; k < left && k < SPARSEC_QUAD; k++)
        {
            output[k] = stored[SPARSEC_QUAD * i + k];
        }
        output += layer->channels;
    }
}

/* Four bytes for each pixel. */
SPARSEC_INLINE void sparsec_store_quad(const sparsec_quad_layer *layer,
                                       const sparsec_quad *quad,
                                       const int32_t channel,
                                       const int8x16_t bytes,
                                       const uint32x4_t places,
                                       const bool words)
{
    const int8x16_t outputs = layer->clamped ? sparsec_clamp_vector(bytes, &layer->activation) : bytes;
    int8_t *const output = quad->output + channel;
    if (SPARSEC_LIKELY(words))
    {
        vstrwq_scatter_offset_s32((int32_t *)(void *)output, places, vreinterpretq_s32_s8(outputs));
    }
    else if (quad->count == SPARSEC_QUAD)
    {
        int32_t pixel0, pixel1, pixel2, pixel3;
        __ASM("vmov %[pixel0], %[pixel2], %q[outputs][2], %q[outputs][0]\n\t"
              "vmov %[pixel1], %[pixel3], %q[outputs][3], %q[outputs][1]" : [pixel0] "=&r"(pixel0),
              [pixel2] "=&r"(pixel2),
              [pixel1] "=&r"(pixel1),
              [pixel3] "=&r"(pixel3) : [outputs] "t"(outputs));
        const int32_t channels = layer->channels;
        memcpy(output, &pixel0, SPARSEC_QUAD);
        memcpy(output + channels, &pixel1, SPARSEC_QUAD);
        memcpy(output + 2 * channels, &pixel2, SPARSEC_QUAD);
        memcpy(output + 3 * channels, &pixel3, SPARSEC_QUAD);
    }
    else
    {
        sparsec_store_part(layer, quad, channel, outputs);
    }
}

    /* All channels of four pixels, whose shifts are to the right. FOUR is a statement that sets `bytes` to those of the next
 * four of `rows`. */
    #define SPARSEC_EACH_FOUR(layer, quad, FOUR)                                                           \
        const uint8_t *rows = (layer)->rows;                                                               \
        const int32_t channels = (layer)->channels;                                                        \
        const bool words =                                                                                 \
            (((uintptr_t)(quad)->output | (uintptr_t)channels) & 3) == 0 && (quad)->count == SPARSEC_QUAD; \
        const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)channels);                     \
        int32_t channel = 0;                                                                               \
        for (;;)                                                                                           \
        {                                                                                                  \
            int8x16_t bytes;                                                                               \
            FOUR;                                                                                          \
            sparsec_store_quad(layer, quad, channel, bytes, places, words);                                \
            channel += SPARSEC_QUAD;                                                                       \
            if (channel > channels - SPARSEC_QUAD)                                                         \
            {                                                                                              \
                if (channel >= channels)                                                                   \
                {                                                                                          \
                    break;                                                                                 \
                }                                                                                          \
                /* The last four lie over others, which are done again. */                                 \
                channel = channels - SPARSEC_QUAD;                                                         \
                rows = (layer)->last;                                                                      \
            }                                                                                              \
        }

    /* The same for any shifts and any number of channels. RESULTS are those of the next one of `rows`. */
    #define SPARSEC_EACH_CHANNEL(layer, quad, RESULTS)                                                        \
        const uint8_t *rows = (layer)->rows;                                                                  \
        const int32_t offset = (layer)->output_offset;                                                        \
        for (int32_t channel = 0; channel < (layer)->channels; channel += SPARSEC_QUAD)                       \
        {                                                                                                     \
            const int32_t left = (layer)->channels - channel;                                                 \
            int32_t last[SPARSEC_QUAD][SPARSEC_QUAD];                                                         \
            for (int32_t i = 0; i < left && i < SPARSEC_QUAD; i++)                                            \
            {                                                                                                 \
                vstrwq_s32(last[i], RESULTS);                                                                 \
            }                                                                                                 \
            const int8x16_t bytes = sparsec_narrow(vldrwq_s32(last[0]),                                       \
                                                   vldrwq_s32(last[1]),                                       \
                                                   vldrwq_s32(last[2]),                                       \
                                                   vldrwq_s32(last[3]),                                       \
                                                   offset);                                                   \
            sparsec_store_part(layer,                                                                         \
                               quad,                                                                          \
                               channel,                                                                       \
                               (layer)->clamped ? sparsec_clamp_vector(bytes, &(layer)->activation) : bytes); \
        }

#else

/* The output of a pixel whose multiplier and shift come next. */
static inline int8_t sparsec_quad_output(const sparsec_quad_layer *layer, const uint8_t *numbers, const int32_t sum)
{
    const int32_t multiplier = sparsec_next_word(&numbers);
    const int32_t shift = sparsec_next_word(&numbers);
    return sparsec_output(sum, multiplier, shift, layer->output_offset, &layer->activation);
}

#endif

/* One image, or band, and the pixels whose windows begin in it. */
typedef struct
{
    const int8_t *image;
    int32_t column; /* Bytes from a window to the next */
    int32_t line;   /* Bytes from a row of windows to the next */
    int32_t width;
    int32_t pixels;
} sparsec_windows;

SPARSEC_INLINE void sparsec_each_quad(const sparsec_quad_layer *layer,
                                      const sparsec_windows *windows,
                                      int8_t *output,
                                      sparsec_do_quad *const do_quad)
{
    const int32_t pixels = windows->pixels;
    const int32_t column = windows->column;
    sparsec_quad quad;
    quad.count = pixels < SPARSEC_QUAD ? pixels : SPARSEC_QUAD;
    memcpy(quad.numbers, layer->numbers, sizeof(quad.numbers));
    quad.output_offset = layer->output_offset;
    const int8_t *line = windows->image;
    const int8_t *next = line;
    int32_t left = windows->width;
    for (int32_t done = 0; done < pixels; done += SPARSEC_QUAD)
    {
        if (done > pixels - quad.count)
        {
            /* The last four lie over others, which are done again. */
            done = pixels - quad.count;
            line = windows->image + done / windows->width * windows->line;
            next = line + done % windows->width * column;
            left = windows->width - done % windows->width;
        }
        quad.output = output + done * layer->channels;
        if (left == 0)
        {
            left = windows->width;
            line += windows->line;
            next = line;
        }
        if (left >= SPARSEC_QUAD)
        {
            for (int32_t i = 0; i < SPARSEC_QUAD; i++)
            {
                quad.window[i] = next;
                next += column;
            }
            left -= SPARSEC_QUAD;
        }
        else
        {
            const int8_t *window = next;
            for (int32_t i = 0; i < SPARSEC_QUAD; i++)
            {
                if (left == 0 && done + i < pixels)
                {
                    left = windows->width;
                    line += windows->line;
                    next = line;
                }
                if (left > 0)
                {
                    window = next;
                    next += column;
                    left--;
                }
                quad.window[i] = window;
            }
        }
        do_quad(layer, &quad);
    }
}

/* The layer of a kernel with these arguments. `aligned`: windows must begin at a multiple of four bytes; channels are then
 * whole words. */
static SPARSEC_NOINLINE sparsec_quad_layer sparsec_quad_layer_of(const cmsis_nn_conv_params *conv_params,
                                                                 const cmsis_nn_dims *input_dims,
                                                                 const int8_t *input,
                                                                 const cmsis_nn_dims *filter_dims,
                                                                 const cmsis_nn_dims *output_dims,
                                                                 const int32_t *stream,
                                                                 const bool aligned)
{
    const int32_t columns = sparsec_quad_columns(conv_params, input_dims, filter_dims, output_dims);
    const bool copied = sparsec_is_padded(conv_params, input_dims, filter_dims, output_dims) ||
                        (aligned && ((uintptr_t)input & 3) != 0);
    const sparsec_quad_layer layer = {
        .pitch = columns * input_dims->c,
        .columns = columns,
        .height = copied ? sparsec_band_height(output_dims) : output_dims->h,
        .copied = copied,
        .rows = (const uint8_t *)(stream + 2),
        .last = (const uint8_t *)(stream + 2) + stream[1],
        .channels = output_dims->c,
        .quick = stream[0] && output_dims->c >= SPARSEC_QUAD,
        .output_offset = conv_params->output_offset,
        .activation = conv_params->activation,
        .clamped = conv_params->activation.min != INT8_MIN || conv_params->activation.max != INT8_MAX,
    };
    return layer;
}

/* The rows of the input that a band reads, with padding around them. */
static SPARSEC_NOINLINE void sparsec_copy_band(const sparsec_quad_layer *layer,
                                               const cmsis_nn_conv_params *conv_params,
                                               const cmsis_nn_dims *input_dims,
                                               const int8_t *input,
                                               int32_t y,
                                               int32_t rows,
                                               int8_t *band)
{
    const int32_t channels = input_dims->c;
    const int32_t left = conv_params->padding.w;
    const int32_t inside = input_dims->w < layer->columns - left ? input_dims->w : layer->columns - left;
    const uint32_t before = (uint32_t)(left * channels);
    const uint32_t copied = (uint32_t)(inside * channels);
    const uint32_t behind = (uint32_t)layer->pitch - before - copied;
    const int8_t zero = (int8_t)-conv_params->input_offset;
    for (; rows > 0; rows--)
    {
        if (y < 0 || y >= input_dims->h)
        {
            arm_memset_s8(band, zero, (uint32_t)layer->pitch);
        }
        else
        {
            arm_memset_s8(band, zero, before);
            arm_memcpy_s8(band + before, input + y * input_dims->w * channels, copied);
            arm_memset_s8(band + before + copied, zero, behind);
        }
        band += layer->pitch;
        y++;
    }
}

SPARSEC_INLINE void sparsec_convolve_quads(const cmsis_nn_context *ctx,
                                           const cmsis_nn_conv_params *conv_params,
                                           const cmsis_nn_dims *input_dims,
                                           const int8_t *input,
                                           const cmsis_nn_dims *filter_dims,
                                           const cmsis_nn_dims *output_dims,
                                           int8_t *output,
                                           const sparsec_quad_layer *layer,
                                           sparsec_do_quad *const do_quad)
{
    const cmsis_nn_tile stride = conv_params->stride;
    for (int32_t first = 0; first < output_dims->h; first += layer->height)
    {
        const int32_t left = output_dims->h - first;
        const int32_t height = left < layer->height ? left : layer->height;
        if (layer->copied)
        {
            const int32_t rows = sparsec_reach_of(height, stride.h, filter_dims->h, conv_params->dilation.h);
            const int32_t y = first * stride.h - conv_params->padding.h;
            sparsec_copy_band(layer, conv_params, input_dims, input, y, rows, ctx->buf);
        }
        sparsec_windows windows = {
            .image = layer->copied ? (const int8_t *)ctx->buf : input,
            .column = stride.w * input_dims->c,
            .line = stride.h * layer->pitch,
            .width = output_dims->w,
            .pixels = output_dims->w * height,
        };
        if (windows.width * windows.column == windows.line)
        {
            windows.width = windows.pixels; /* Rows follow each other as columns do. */
        }
        sparsec_each_quad(layer, &windows, output + first * output_dims->w * output_dims->c, do_quad);
    }
}

#endif
