/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution for Helium: vectors hold channels, 16 of which are done at a time. As many rows of the image as the
 * window is high lie in scratch memory with their padding, 16 bytes for a pixel, so that the inputs of a window are at fixed
 * distances; each row is copied once. sparsec/layouts/depthwise_lanes.py writes the stream.
 */

#include "sparsec.h"
#include "sparsec_depthwise_lanes_assembly.h"
#include "sparsec_requantize_mve.h"

/* Channels that are copied together, the bytes of a pixel; channels of one part of the stream. */
#define GROUP 16
#define PART 8

/* The numbers of a part: of each kind those of its even channels, then those of its odd ones. They follow its weights, of
 * which those of one tap lie next to each other. */
typedef struct
{
    int32_t bias[PART];
    int32_t multiplier[PART];
    int32_t shift[PART]; /* CMSIS-NN's */
} part_numbers;

#define NUMBER_WORDS (int32_t)(sizeof(part_numbers) / sizeof(int32_t))
#define WEIGHT_WORDS (PART / (int32_t)sizeof(int32_t)) /* Of a tap */

#if defined(ARM_MATH_MVEI)

/* What a call works with. */
typedef struct
{
    const cmsis_nn_dw_conv_params *params;
    const cmsis_nn_dims *input, *filter, *output;
    int8_t *slots;
    int32_t slot_bytes; /* Of a row in scratch memory */
    int32_t inside;     /* Its pixels that are not padding */
    bool above;         /* No output is below the output offset */
} layer;

typedef sparsec_depthwise_lanes_part part;

/* Copy a row of the image, of which `lanes` channels are there, to a row in scratch memory. */
static SPARSEC_NOINLINE void
copy_row(const layer *const l, const int8_t *const image, const int32_t row, const int32_t lanes, int8_t *to)
{
    const int32_t channels = l->input->c;
    to += l->params->padding.w * GROUP;
    if (row < 0 || row >= l->input->h)
    {
        const int8x16_t padding = vdupq_n_s8((int8_t)-l->params->input_offset);
        for (int32_t i = l->inside; i > 0; i--)
        {
            vstrbq_s8(to, padding);
            to += GROUP;
        }
        return;
    }
    const int8_t *from = image + row * l->input->w * channels;
    if (lanes == GROUP)
    {
        for (int32_t i = l->inside; i > 0; i--)
        {
            vstrbq_s8(to, vldrbq_s8(from));
            from += channels;
            to += GROUP;
        }
        return;
    }
    const mve_pred16_t those = vctp8q((uint32_t)lanes);
    for (int32_t i = l->inside; i > 0; i--)
    {
        vstrbq_s8(to, vldrbq_z_s8(from, those));
        from += channels;
        to += GROUP;
    }
}

/* Results of the even and of the odd channels of a part to bytes. */
static inline void
store(int8_t *const output, const int32x4_t even, const int32x4_t odd, const int32_t offset, const mve_pred16_t those)
{
    int16x8_t result = vreinterpretq_s16_s32(even);
    __ASM("vqmovnb.s32 %q[result], %q[result]\n\t"
          "vqmovnt.s32 %q[result], %q[odd]\n\t"
          "vqadd.s16 %q[result], %q[result], %[offset]\n\t"
          "vqmovnb.s16 %q[result], %q[result]" : [result] "+t"(result) : [odd] "t"(odd),
          [offset] "r"(offset));
    vstrbq_p_s16(output, result, those);
}

static const part_numbers *numbers_of(const layer *const l, const int8_t *const weights)
{
    return (const part_numbers *)(const void *)(weights + l->filter->h * l->filter->w * PART);
}

/* One or two neighbouring pixels of any window, the first of which begins `at` bytes into the slots, of which `slot` holds its
 * first row. */
static inline void any_pixels(const layer *const l,
                              const part *const p,
                              const int32_t count,
                              int32_t slot,
                              const int32_t at,
                              int8_t *const output)
{
    const int32_t apart = l->params->stride.w * GROUP;
    const int8_t *weights = p->weights;
    const part_numbers *const numbers = numbers_of(l, p->weights);
    int32x4_t even = vldrwq_s32(numbers->bias);
    int32x4_t odd = vldrwq_s32(numbers->bias + PART / 2);
    int32x4_t next_even = even;
    int32x4_t next_odd = odd;
    for (int32_t y = l->filter->h; y > 0; y--)
    {
        const int8_t *inputs = l->slots + slot * l->slot_bytes + at;
        for (int32_t x = l->filter->w; x > 0; x--)
        {
            const int16x8_t factor = vldrbq_s16(weights);
            const int16x8_t input = vldrbq_s16(inputs);
            even = vaddq_s32(even, vmullbq_int_s16(input, factor));
            odd = vaddq_s32(odd, vmulltq_int_s16(input, factor));
            if (count == 2)
            {
                const int16x8_t next = vldrbq_s16(inputs + apart);
                next_even = vaddq_s32(next_even, vmullbq_int_s16(next, factor));
                next_odd = vaddq_s32(next_odd, vmulltq_int_s16(next, factor));
            }
            weights += PART;
            inputs += GROUP;
        }
        slot = slot + 1 < l->filter->h ? slot + 1 : 0;
    }
    const mve_pred16_t those = vctp16q((uint32_t)p->lanes);
    const int32_t offset = l->params->output_offset;
    const int32x4_t even_multiplier = vldrwq_s32(numbers->multiplier);
    const int32x4_t odd_multiplier = vldrwq_s32(numbers->multiplier + PART / 2);
    const int32x4_t even_shift = vldrwq_s32(numbers->shift);
    const int32x4_t odd_shift = vldrwq_s32(numbers->shift + PART / 2);
    store(output,
          sparsec_any_of_channels(even, even_multiplier, even_shift, offset),
          sparsec_any_of_channels(odd, odd_multiplier, odd_shift, offset),
          offset,
          those);
    if (count == 2)
    {
        store(output + l->output->c,
              sparsec_any_of_channels(next_even, even_multiplier, even_shift, offset),
              sparsec_any_of_channels(next_odd, odd_multiplier, odd_shift, offset),
              offset,
              those);
    }
}

/* A row of outputs of any window, the first row of which is in `slot`. */
static SPARSEC_NOINLINE void any_row(const layer *const l, part *const p, const int32_t slot)
{
    int8_t *output = p->output;
    const int32_t step = l->params->stride.w * GROUP;
    int32_t at = p->place;
    int32_t left = l->output->w;
    for (; left >= 2; left -= 2)
    {
        any_pixels(l, p, 2, slot, at, output);
        output += 2 * l->output->c;
        at += 2 * step;
    }
    if (left > 0)
    {
        any_pixels(l, p, 1, slot, at, output);
    }
    p->output += l->output->w * l->output->c;
}

/* The part of the channels from `place` on, `lanes` of which are there. */
static part
part_at(const layer *const l, const int32_t *const rows, const int32_t place, const int32_t lanes, int8_t *const output)
{
    const int8_t *const weights = (const int8_t *)rows;
    bool fast = false;
    #if defined(DEPTHWISE_LANES_ASSEMBLY)
    if (l->filter->h == 3 && l->filter->w == 3 && l->params->stride.w <= 2)
    {
        const int32_t *const shift = numbers_of(l, weights)->shift;
        fast = vmaxvq_s32(INT32_MIN, vmaxq_s32(vldrwq_s32(shift), vldrwq_s32(shift + PART / 2))) < 0;
    }
    #endif
    return (part){{NULL, NULL, NULL},
                  weights,
                  output + place,
                  lanes < PART ? lanes : PART,
                  l->output->c,
                  l->params->output_offset,
                  4 * (l->params->stride.w == 2) + 2 * !l->above + l->output->w % 2,
                  l->output->w / 2,
                  l->slots + place,
                  place,
                  fast};
}

    #if defined(DEPTHWISE_LANES_ASSEMBLY)
/* A row of outputs of 3x3 windows, the first row of which is in `slot`. */
static inline void row_3x3(const layer *const l, part *const p, const int32_t slot)
{
    p->row[0] = p->slots + slot * l->slot_bytes;
    p->row[1] = slot < 2 ? p->row[0] + l->slot_bytes : p->slots;
    p->row[2] = slot < 1 ? p->row[1] + l->slot_bytes : p->row[0] - l->slot_bytes;
    __ASM volatile(ROW_OF_PIXELS : : [part] "r"(p) : "r0",
                   "r1",
                   "r2",
                   "r3",
                   "r4",
                   "r5",
                   "r6",
                   "r8",
                   "r9",
                   "r10",
                   "lr",
                   "q0",
                   "q1",
                   "q2",
                   "q3",
                   "q4",
                   "q5",
                   "q6",
                   "q7",
                   "cc",
                   "memory");
}
    #endif

/* Up to 16 channels of the whole image. Never inline, because the assembly changes the vector predicate, which compilers do
 * not let it name; nothing in here uses that. */
static SPARSEC_NOINLINE void
group(const layer *const l, part *const parts, const int32_t count, const int32_t lanes, const int8_t *image)
{
    const int32_t height = l->filter->h;
    int32_t first = -l->params->padding.h;
    int32_t slot = 0;
    int32_t copied = first;
    int32_t next = 0; /* The slot of the next row that is copied */
    for (int32_t y = l->output->h; y > 0; y--)
    {
        if (copied < first)
        {
            copied = first;
            next = slot;
        }
        for (; copied < first + height; copied++)
        {
            copy_row(l, image, copied, lanes, l->slots + next * l->slot_bytes);
            next = next + 1 < height ? next + 1 : 0;
        }
        for (part *p = parts; p < parts + count; p++)
        {
    #if defined(DEPTHWISE_LANES_ASSEMBLY)
            if (p->fast)
            {
                row_3x3(l, p, slot);
                continue;
            }
    #endif
            any_row(l, p, slot);
        }
        first += l->params->stride.h;
        slot = (slot + l->params->stride.h) % height;
    }
}

static void clamp_outputs(const layer *const l, int8_t *output)
{
    int32_t left = l->output->h * l->output->w * l->output->c;
    for (; left > 0; left -= GROUP)
    {
        const mve_pred16_t those = vctp8q((uint32_t)left);
        const int8x16_t bytes = vldrbq_z_s8(output, those);
        vstrbq_p_s8(output, sparsec_clamp_vector(bytes, &l->params->activation), those);
        output += GROUP;
    }
}

#else

/* One channel of the whole image. Its rows lie in scratch memory as those of a group do, so that the output may lie over the
 * input. `numbers` points at its bias. */
static void one_channel(const cmsis_nn_context *ctx,
                        const cmsis_nn_dw_conv_params *dw_conv_params,
                        const cmsis_nn_dims *input_dims,
                        const int8_t *input,
                        const cmsis_nn_dims *filter_dims,
                        const int8_t *weights,
                        const int32_t *numbers,
                        const cmsis_nn_dims *output_dims,
                        int8_t *output)
{
    const int32_t top = dw_conv_params->padding.h;
    const int32_t stride = dw_conv_params->stride.w;
    const int32_t height = filter_dims->h;
    const int32_t columns = (output_dims->w - 1) * stride + filter_dims->w;
    int8_t *const slots = (int8_t *)ctx->buf;
    int32_t copied = -top;
    for (int32_t y = 0; y < output_dims->h; y++)
    {
        const int32_t first = y * dw_conv_params->stride.h - top;
        for (; copied < first + height; copied++)
        {
            int8_t *const slot = slots + (copied + top) % height * columns;
            for (int32_t i = 0; i < columns; i++)
            {
                const int32_t x = i - dw_conv_params->padding.w;
                const bool is_padding = copied < 0 || copied >= input_dims->h || x < 0 || x >= input_dims->w;
                slot[i] = is_padding ? (int8_t)-dw_conv_params->input_offset
                                     : input[(copied * input_dims->w + x) * input_dims->c];
            }
        }
        for (int32_t x = 0; x < output_dims->w; x++)
        {
            int32_t acc = numbers[0];
            for (int32_t ky = 0; ky < height; ky++)
            {
                const int8_t *const slot = slots + (first + ky + top) % height * columns + x * stride;
                for (int32_t kx = 0; kx < filter_dims->w; kx++)
                {
                    acc += slot[kx] * weights[(ky * filter_dims->w + kx) * PART];
                }
            }
            *output = sparsec_output(acc,
                                     numbers[PART],
                                     numbers[2 * PART],
                                     dw_conv_params->output_offset,
                                     &dw_conv_params->activation);
            output += output_dims->c;
        }
    }
}

#endif

void sparsec_depthwise_convolve_lanes_s8(const cmsis_nn_context *ctx,
                                         const cmsis_nn_dw_conv_params *dw_conv_params,
                                         const cmsis_nn_dims *input_dims,
                                         const int8_t *input,
                                         const cmsis_nn_dims *filter_dims,
                                         const int32_t *rows,
                                         const cmsis_nn_dims *output_dims,
                                         int8_t *output)
{
    const int32_t channels = input_dims->c;
    const int32_t taps = filter_dims->h * filter_dims->w;
    const int32_t part_words = taps * WEIGHT_WORDS + NUMBER_WORDS;
#if defined(ARM_MATH_MVEI)
    const int32_t columns = (output_dims->w - 1) * dw_conv_params->stride.w + filter_dims->w;
    const int32_t right = columns - dw_conv_params->padding.w;
    const cmsis_nn_activation *const activation = &dw_conv_params->activation;
    const layer l = {dw_conv_params,
                     input_dims,
                     filter_dims,
                     output_dims,
                     (int8_t *)ctx->buf,
                     GROUP * columns,
                     right < input_dims->w ? right : input_dims->w,
                     activation->min >= dw_conv_params->output_offset};
    const int8x16_t padding = vdupq_n_s8((int8_t)-dw_conv_params->input_offset);
    for (int32_t i = 0; i < columns * filter_dims->h; i++)
    {
        vstrbq_s8(l.slots + GROUP * i, padding);
    }
    for (int32_t channel = 0; channel < channels; channel += GROUP)
    {
        const int32_t lanes = channels - channel < GROUP ? channels - channel : GROUP;
        const int32_t parts = lanes > PART ? 2 : 1;
        part both[2] = {part_at(&l, rows, 0, lanes, output + channel),
                        part_at(&l, rows + (parts - 1) * part_words, PART, lanes - PART, output + channel)};
        group(&l, both, parts, lanes, input + channel);
        rows += parts * part_words;
    }
    if (activation->min > INT8_MIN || activation->max < INT8_MAX)
    {
        clamp_outputs(&l, output);
    }
#else
    for (int32_t channel = 0; channel < channels; channel++)
    {
        const int32_t *const words = rows + channel / PART * part_words;
        one_channel(ctx,
                    dw_conv_params,
                    input_dims,
                    input + channel,
                    filter_dims,
                    (const int8_t *)words + channel % PART,
                    words + taps * WEIGHT_WORDS + channel % 2 * (PART / 2) + channel % PART / 2,
                    output_dims,
                    output + channel);
    }
#endif
}
