/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Convolution of pairs of pixels: a word holds the inputs of two output pixels, so that one multiplication does both. The
 * inputs of a row of outputs (1x1: of a strip) are packed once into a slab of words, where each weight has its place
 * relative to the output pixel; strips of four words then walk the rows of weights.
 */

#include "sparsec.h"
#include "sparsec_clamp_bytes.h"
#include "sparsec_packed_assembly.h"
#include "sparsec_packed_rows.h"

/* What a call works with. */
typedef struct
{
    sparsec_packed_header header;
    const cmsis_nn_conv_params *params;
    const int8_t *input;
    int32_t input_height, input_width, channels;
    int32_t kernel_height;
    int32_t partner_y, partner_x; /* From an output pixel to its partner */
    int32_t *words;
    const int8_t *padding; /* A pixel of padding */
} layer;

static const int8_t *pixel_at(const layer *l, const int32_t y, const int32_t x)
{
    const bool inside = y >= 0 && y < l->input_height && x >= 0 && x < l->input_width;
    return inside ? l->input + (y * l->input_width + x) * l->channels : l->padding;
}

/* The words of `count` pairs of pixels, at most PACKED_STRIP, next to each other in the slab. */
static void pack_words(const layer *l, const int8_t *const *pixels, int32_t *words, int32_t count)
{
    const int32_t row_words = l->header.row_words;
#if defined(PACKED_ASSEMBLY)
    if (count == 4)
    {
        sparsec_pack_words_4(pixels, words, l->channels, 4 * row_words);
        return;
    }
    if (count >= 2)
    {
        sparsec_pack_words_2(pixels, words, l->channels, 4 * row_words);
        pixels += 4;
        words += 2;
        count -= 2;
    }
#endif
    for (int32_t c = 0; c < l->channels; c++)
    {
        for (int32_t i = 0; i < count; i++)
        {
            words[i] = pixels[2 * i][c] + pixels[2 * i + 1][c] * (1 << PACKED_FIELD_BITS);
        }
        words += row_words;
    }
}

/* `count` words from column `column` of a phase on, for the input row y and its partner's row. */
static void pack_columns(const layer *l, const int32_t y, int32_t x, int32_t *words, int32_t count)
{
    const int32_t stride = l->params->stride.w;
    const int32_t partner_y = y + l->partner_y * l->params->stride.h;
    const int32_t partner_x = l->partner_x * stride;
#if defined(PACKED_ASSEMBLY)
    const bool inside = x >= 0 && x + 3 * stride + partner_x < l->input_width && y >= 0 && partner_y < l->input_height;
    if (count == 4 && inside)
    {
        const int8_t *pixel = l->input + (y * l->input_width + x) * l->channels;
        const int32_t to_partner = (l->partner_y * l->params->stride.h * l->input_width + partner_x) * l->channels;
        sparsec_pack_even_words(pixel,
                                pixel + to_partner,
                                words,
                                4 * l->header.row_words,
                                l->channels,
                                stride * l->channels);
        return;
    }
#endif
    while (count > 0)
    {
        const int8_t *pixels[2 * PACKED_STRIP];
        const int32_t part = count < PACKED_STRIP ? count : PACKED_STRIP;
        for (int32_t i = 0; i < part; i++)
        {
            pixels[2 * i] = pixel_at(l, y, x);
            pixels[2 * i + 1] = pixel_at(l, partner_y, x + partner_x);
            x += stride;
        }
        pack_words(l, pixels, words, part);
        words += part;
        count -= part;
    }
}

/* The slab for the output row y: what the row before it has packed already moves up. */
static void pack_rows(const layer *l, const int32_t y)
{
    const int32_t row_words = l->header.row_words;
    const int32_t tap_words = l->channels * row_words;
    const int32_t dilation = l->params->dilation.h;
    const int32_t stride = l->params->stride.h;
    const int32_t first_y = y * stride - l->params->padding.h;
    int32_t ky = 0;
    if (y > 0 && stride % dilation == 0 && stride / dilation < l->kernel_height)
    {
        const int32_t moved = stride / dilation;
        ky = l->kernel_height - moved;
        memmove(l->words, l->words + moved * tap_words, (size_t)(ky * tap_words) * sizeof(int32_t));
    }
    for (; ky < l->kernel_height; ky++)
    {
        int32_t *words = l->words + ky * tap_words;
        int32_t x = -l->params->padding.w;
        for (int32_t rest = row_words; rest > 0; rest -= l->header.phase_words)
        {
            pack_columns(l, first_y + ky * dilation, x, words, l->header.phase_words);
            words += l->header.phase_words;
            x++;
        }
    }
}

static inline uint32_t read_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

#if !defined(PACKED_ASSEMBLY)
static inline void multiply(int64_t *acc, const uint8_t weight, const int32_t *words, const int32_t count)
{
    for (int32_t i = 0; i < count; i++)
    {
        acc[i] += (int64_t)(int8_t)weight * words[i];
    }
}
#endif

/* Adds the products of the entries from `entry` to `end`; returns the words of the last. */
static inline const int32_t *add_entries(const uint8_t *entry,
                                         const uint8_t *end,
                                         const int32_t *words,
                                         int64_t acc[PACKED_STRIP],
                                         const int32_t count)
{
#if defined(PACKED_ASSEMBLY)
    switch (count)
    {
    case 4:
        return sparsec_packed_sums_4(entry, end, words, acc);
    case 3:
        return sparsec_packed_sums_3(entry, end, words, acc);
    case 2:
        return sparsec_packed_sums_2(entry, end, words, acc);
    default:
        return sparsec_packed_sums_1(entry, end, words, acc);
    }
#else
    for (; entry != end; entry += 2)
    {
        words += entry[0];
        multiply(acc, entry[1], words, count);
    }
    return words;
#endif
}

/* The rows of a group for a strip of `count` words; returns the next group. On cores with the assembly these are the
 * rows that it does not end: their sums are its work too. */
static inline const uint8_t *convolve_group(const uint8_t *row,
                                            const sparsec_packed_strip *strip,
                                            const int32_t kind,
                                            const int32_t shift,
                                            const cmsis_nn_conv_params *params,
                                            const int32_t count)
{
    int32_t sums[2 * PACKED_STRIP] = {0};
    for (uint32_t code = read_u32(row + 8) >> 16; code != PACKED_EXIT; code = read_u32(row + 8) >> 16)
    {
        const int64_t fields = (int64_t)(read_u32(row) | (uint64_t)read_u32(row + 4) << 32);
        const int32_t bias = kind == PACKED_GENERIC ? (int32_t)fields : 0;
        const uint8_t *entry = row + 12;
        const uint8_t *end = entry;
        const int32_t *words = strip->words;
        int64_t acc[PACKED_STRIP];
        for (int32_t i = 0; i < count; i++)
        {
            acc[i] = kind == PACKED_GENERIC ? 0 : fields;
        }
#if !defined(PACKED_ASSEMBLY)
        if (code % 8 == PACKED_BLOCKS)
        {
            const uint32_t blocks = code / 8 + 1;
            end += (PACKED_BLOCK_BYTES * blocks + 3) / 4 * 4;
            for (uint32_t block = 0; block < blocks; block++)
            {
                words += 4 * entry[0];
                for (int32_t c = 0; c < 4; c++)
                {
                    multiply(acc, entry[1 + c], words + 4 * c, count);
                }
                entry += PACKED_BLOCK_BYTES;
            }
        }
        else
#endif
        {
            const uint32_t entries = 4 * (code / 8 + 1) - code % 8;
            end += 2 * (entries & ~1u);
            if (entries % 2 != 0)
            {
                words = add_entries(row + 8, row + 10, words, acc, count);
            }
            add_entries(entry, end, words, acc, count);
        }
        for (int32_t i = 0; i < count; i++)
        {
            const int32_t low = (int32_t)((uint32_t)acc[i] << (32 - PACKED_FIELD_BITS)) >> (32 - PACKED_FIELD_BITS);
            sums[2 * i] += bias + low;
            sums[2 * i + 1] += bias + (int32_t)((acc[i] - low) >> PACKED_FIELD_BITS);
        }
        const int32_t multiplier = (int32_t)read_u32(end);
        const uint32_t channel = read_u32(end + 4);
        row = end + 8;
        if ((channel & PACKED_MORE) != 0)
        {
            continue;
        }
        int8_t *output = strip->output + channel;
        for (int32_t i = 0; i < count; i++)
        {
            const int32_t offset = params->output_offset;
            output[0] = sparsec_output(sums[2 * i], multiplier, shift, offset, &params->activation);
            output[strip->partner] = sparsec_output(sums[2 * i + 1], multiplier, shift, offset, &params->activation);
            output += strip->channels;
            sums[2 * i] = 0;
            sums[2 * i + 1] = 0;
        }
    }
    return row + 12;
}

static SPARSEC_NOINLINE const uint8_t *convolve_group_in_c(const uint8_t *rows,
                                                           const sparsec_packed_strip *strip,
                                                           const int32_t kind,
                                                           const int32_t shift,
                                                           const cmsis_nn_conv_params *params,
                                                           const int32_t count)
{
#if !defined(PACKED_ASSEMBLY)
    /* With its loops over words unrolled. The assembly leaves so little to do that this would not be worth its flash. */
    if (count == PACKED_STRIP)
    {
        return convolve_group(rows, strip, kind, shift, params, PACKED_STRIP);
    }
#endif
    return convolve_group(rows, strip, kind, shift, params, count);
}

/* All output channels of `count` pairs of pixels. */
static void convolve_strip(const uint8_t *group,
                           const sparsec_packed_strip *strip,
                           const cmsis_nn_conv_params *params,
                           const int32_t count)
{
#if defined(PACKED_ASSEMBLY)
    switch (count)
    {
    case 4:
        group = sparsec_packed_rows_4(group, strip);
        break;
    case 3:
        group = sparsec_packed_rows_3(group, strip);
        break;
    case 2:
        group = sparsec_packed_rows_2(group, strip);
        break;
    default:
        group = sparsec_packed_rows_1(group, strip);
        break;
    }
#endif
    while (group[0] != PACKED_END)
    {
        group = convolve_group_in_c(group + 4, strip, group[0], (int8_t)group[1], params, count);
    }
}

void sparsec_convolve_packed_s8(const cmsis_nn_context *ctx,
                                const cmsis_nn_conv_params *conv_params,
                                const cmsis_nn_dims *input_dims,
                                const int8_t *input,
                                const cmsis_nn_dims *filter_dims,
                                const int32_t *rows,
                                const cmsis_nn_dims *output_dims,
                                int8_t *output)
{
    layer l;
    memcpy(&l.header, rows, sizeof(l.header));
    const uint8_t *const groups = (const uint8_t *)rows + sizeof(l.header);
    const bool flat = l.header.flat != 0;
    const bool point = filter_dims->h == 1 && filter_dims->w == 1;
    const int32_t height = flat ? 1 : output_dims->h;
    const int32_t width = flat ? output_dims->h * output_dims->w : output_dims->w;
    const int32_t columns = l.header.pairs_rows ? width : (width + 1) / 2;
    const int32_t lines = l.header.pairs_rows ? (height + 1) / 2 : height;
    int8_t *const padding = (int8_t *)ctx->buf + 4 * filter_dims->h * input_dims->c * l.header.row_words;
    memset(padding, (int8_t)-conv_params->input_offset, (size_t)input_dims->c);
    l.params = conv_params;
    l.input = input;
    l.input_height = flat ? 1 : input_dims->h;
    l.input_width = flat ? input_dims->h * input_dims->w : input_dims->w;
    l.channels = input_dims->c;
    l.kernel_height = filter_dims->h;
    l.partner_y = height - lines;
    l.partner_x = width - columns;
    l.words = (int32_t *)ctx->buf;
    l.padding = padding;

    sparsec_packed_strip strip;
    strip.channels = output_dims->c;
    strip.offset = 2 * conv_params->output_offset + 1;
    strip.partner = (l.partner_y * width + l.partner_x) * output_dims->c;
    for (int32_t y = 0; y < lines; y++)
    {
        if (!point)
        {
            pack_rows(&l, y);
        }
        for (int32_t x = 0; x < columns;)
        {
            const int32_t left = columns - x;
            /* Five words are 3 and 2, which is less work than 4 and 1. */
            const int32_t count = left == PACKED_STRIP + 1 ? 3 : left < PACKED_STRIP ? left : PACKED_STRIP;
            strip.words = l.words;
            strip.output = output + (y * width + x) * output_dims->c;
            if (point)
            {
                pack_columns(&l,
                             y * conv_params->stride.h - conv_params->padding.h,
                             x * conv_params->stride.w - conv_params->padding.w,
                             l.words,
                             count);
            }
            else
            {
                strip.words += x;
            }
            convolve_strip(groups, &strip, conv_params, count);
            x += count;
        }
    }
#if defined(PACKED_ASSEMBLY)
    sparsec_clamp_bytes(output, height * width * output_dims->c, &conv_params->activation);
#endif
}
