/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution of pairs of pixels: an input channel is unfolded, with its padding, into a plane of words that
 * hold the inputs of two output pixels each, so that one multiplication does both. What to unfold, and which strips of
 * the output there are, is listed once for all channels.
 */

#include "sparsec.h"
#include "sparsec_clamp_bytes.h"
#include "sparsec_depthwise_assembly.h"
#include "sparsec_depthwise_rows.h"

/* What a call works with. */
typedef struct
{
    sparsec_depthwise_plane plane;
    const cmsis_nn_dw_conv_params *params;
    int8_t *words;
    sparsec_depthwise_segment *segments, *segments_end;
    sparsec_depthwise_strip *strips[PACKED_STRIP + 1]; /* Those of 4, 3, 2, 1 words, and their end */
    int32_t input_step, input_partner;
    int32_t output_step, output_partner;
    int32_t padding; /* An input of padding */
} layer;

static inline int32_t lower(const int32_t a, const int32_t b)
{
    return a < b ? a : b;
}

static inline int32_t higher(const int32_t a, const int32_t b)
{
    return a > b ? a : b;
}

/* The first word of a phase whose coordinate, word * stride + shift, is not below `coordinate`. */
static int32_t first_word(const layer *l, const int32_t coordinate, const int32_t shift)
{
    const int32_t stride = l->plane.inner.stride;
    const int32_t distance = coordinate - shift;
    return distance <= 0 ? 0 : lower((distance + stride - 1) / stride, l->plane.phase_words);
}

static SPARSEC_NOINLINE void
add_segment(layer *l, const int32_t first, const int32_t end, int32_t input, int32_t word, uint16_t inside)
{
    if (first < end)
    {
        l->segments_end->input = input + first * l->input_step;
        l->segments_end->word = word + 4 * first;
        l->segments_end->count = (uint16_t)(end - first);
        l->segments_end->inside = inside;
        l->segments_end++;
    }
}

static void list_segments(layer *l)
{
    const sparsec_depthwise_axis *inner = &l->plane.inner;
    const sparsec_depthwise_axis *outer = &l->plane.outer;
    int32_t word = 0;
    for (int32_t row = 0; row < l->plane.rows; row++)
    {
        const int32_t line = row - outer->padding;
        const int32_t partner = line + outer->partner * outer->stride;
        const bool first_inside = line >= 0 && line < outer->input;
        const bool second_inside = partner >= 0 && partner < outer->input;
        int32_t left = l->plane.row_words;
        for (int32_t shift = -inner->padding; left > 0; shift++)
        {
            /* The first pixel is inside for words [a, a_end), its partner for [b, b_end): b <= a and b_end <= a_end. */
            const int32_t far = shift + inner->partner * inner->stride;
            const int32_t a = first_inside ? first_word(l, 0, shift) : l->plane.phase_words;
            const int32_t a_end = first_inside ? first_word(l, inner->input, shift) : l->plane.phase_words;
            const int32_t b = second_inside ? first_word(l, 0, far) : 0;
            const int32_t b_end = second_inside ? first_word(l, inner->input, far) : 0;
            const int32_t input = line * outer->input_step + shift * inner->input_step;
            add_segment(l, b, lower(a, b_end), input + l->input_partner, word, 2);
            add_segment(l, a, b_end, input, word, 0);
            add_segment(l, higher(a, b_end), a_end, input, word, 1);
            word += 4 * l->plane.phase_words;
            left -= l->plane.phase_words;
        }
    }
}

static void list_strips(layer *l)
{
    const sparsec_depthwise_plane *p = &l->plane;
    /* Five words are 3 and 2, which is less work than 4 and 1. */
    const int32_t count = p->inner.count;
    const int32_t split = count % PACKED_STRIP == 1 && count > PACKED_STRIP;
    const int32_t full = count / PACKED_STRIP - split;
    const int32_t rest = count - full * PACKED_STRIP;
    const int32_t counts[PACKED_STRIP] = {full, split || rest == 3, split || rest == 2, rest == 1};
    sparsec_depthwise_strip *strip = l->strips[0];
    int32_t column = 0;
    for (int32_t i = 0; i < PACKED_STRIP; i++)
    {
        const int32_t size = PACKED_STRIP - i;
        for (int32_t line = 0; line < p->outer.count; line++)
        {
            for (int32_t j = 0; j < counts[i]; j++)
            {
                strip->word = 4 * (line * p->outer.stride * p->row_words + column + j * size);
                strip->output = line * p->outer.output_step + (column + j * size) * l->output_step;
                strip++;
            }
        }
        column += counts[i] * size;
        l->strips[i + 1] = strip;
    }
}

#if !defined(PACKED_ASSEMBLY)
static void unfold(const layer *l, const int8_t *input)
{
    for (const sparsec_depthwise_segment *s = l->segments; s < l->segments_end; s++)
    {
        const int8_t *pixel = input + s->input;
        int32_t *words = (int32_t *)(void *)(l->words + s->word);
        for (int32_t i = 0; i < s->count; i++)
        {
            const int32_t first = s->inside == 2 ? l->padding : *pixel;
            const int32_t second = s->inside == 1 ? l->padding : s->inside == 2 ? *pixel : pixel[l->input_partner];
            words[i] = first + second * (1 << PACKED_FIELD_BITS);
            pixel += l->input_step;
        }
    }
}
#endif

/* The sums of a pair of pixels, without the bias, to their output bytes. */
static inline void
finish_pair(const layer *l, const sparsec_depthwise_row *row, const int32_t first, const int32_t second, int8_t *output)
{
    const int32_t sums[2] = {first, second};
    for (int32_t i = 0; i < 2; i++)
    {
        output[i * l->output_partner] = sparsec_output((int32_t)((uint32_t)sums[i] + (uint32_t)row->bias),
                                                       row->multiplier,
                                                       row->shift,
                                                       l->params->output_offset,
                                                       &l->params->activation);
    }
}

/* The second of two fields; what is left is the first. */
static inline int32_t second_field(const int64_t fields)
{
    return (int32_t)((fields + (1 << (PACKED_FIELD_BITS - 1))) >> PACKED_FIELD_BITS);
}

/* One pair of pixels of a row for which a field may be too small. */
static SPARSEC_NOINLINE void convolve_pair(const layer *l,
                                           const sparsec_depthwise_row *row,
                                           const int8_t *entries,
                                           const int32_t *const first,
                                           int8_t *output)
{
    int32_t sums[2] = {0, 0};
    int32_t left = row->triples;
    int32_t weights = 3;
    for (int32_t lists = 0; lists < 2; lists++)
    {
        const int32_t *words = first;
        for (; left > 0; left--)
        {
            words += (uint8_t)*entries++;
            for (int32_t i = 0; i < weights; i++)
            {
                const int32_t second = second_field(words[i]);
                sums[0] += *entries * (words[i] - second * (1 << PACKED_FIELD_BITS));
                sums[1] += *entries * second;
                entries++;
            }
        }
        left = row->counts & DEPTHWISE_SINGLES;
        weights = 1;
    }
    finish_pair(l, row, sums[0], sums[1], output);
}

#if !defined(PACKED_ASSEMBLY)
static inline void multiply(int64_t *acc, const int8_t weight, const int32_t *words, const int32_t count)
{
    for (int32_t i = 0; i < count; i++)
    {
        acc[i] += (int64_t)weight * words[i];
    }
}

/* A strip of `count` words of a narrow row. */
static inline void convolve_strip(const layer *l,
                                  const sparsec_depthwise_row *row,
                                  const int8_t *entries,
                                  const int32_t *const first,
                                  const int32_t count,
                                  int8_t *output)
{
    int64_t acc[PACKED_STRIP] = {0};
    const int32_t *words = first;
    for (int32_t i = row->triples; i > 0; i--)
    {
        words += (uint8_t)entries[0];
        multiply(acc, entries[1], words, count);
        multiply(acc, entries[2], words + 1, count);
        multiply(acc, entries[3], words + 2, count);
        entries += 4;
    }
    words = first;
    for (int32_t i = row->counts & DEPTHWISE_SINGLES; i > 0; i--)
    {
        words += (uint8_t)entries[0];
        multiply(acc, entries[1], words, count);
        entries += 2;
    }
    for (int32_t i = 0; i < count; i++)
    {
        const int32_t second = second_field(acc[i]);
        finish_pair(l, row, (int32_t)(acc[i] - (int64_t)second * (1 << PACKED_FIELD_BITS)), second, output);
        output += l->output_step;
    }
}
#endif

/* A row in plain C: on cores with the assembly one that is not narrow. */
static void convolve_row(const layer *l, const sparsec_depthwise_row *row, const int8_t *entries, int8_t *output)
{
    for (int32_t i = 0; i < PACKED_STRIP; i++)
    {
        for (const sparsec_depthwise_strip *strip = l->strips[i]; strip < l->strips[i + 1]; strip++)
        {
            const int32_t *words = (const int32_t *)(const void *)(l->words + strip->word);
            int8_t *pixel = output + strip->output;
#if !defined(PACKED_ASSEMBLY)
            if (row->counts & DEPTHWISE_NARROW)
            {
                if (i == 0)
                {
                    convolve_strip(l, row, entries, words, PACKED_STRIP, pixel);
                }
                else
                {
                    convolve_strip(l, row, entries, words, PACKED_STRIP - i, pixel);
                }
                continue;
            }
#endif
            for (int32_t j = i; j < PACKED_STRIP; j++)
            {
                convolve_pair(l, row, entries, words++, pixel);
                pixel += l->output_step;
            }
        }
    }
}

#if defined(PACKED_ASSEMBLY)
/* The job of a narrow row. */
static void prepare(sparsec_depthwise_job *job,
                    const layer *l,
                    const sparsec_depthwise_row *row,
                    const int8_t *entries,
                    int8_t *output)
{
    const int32_t singles = row->counts & DEPTHWISE_SINGLES;
    const int32_t right = -row->shift;
    int32_t words = 0;
    for (int32_t i = 0; i < row->triples; i++)
    {
        words += (uint8_t)entries[4 * i];
    }
    job->bias = row->bias * (((int64_t)1 << PACKED_FIELD_BITS) + 1);
    job->entries = entries;
    job->addend = (1 << (right - 1)) + l->params->output_offset * (1 << right);
    job->multiplier = row->multiplier;
    job->output = output;
    job->shift = right;
    job->back = 4 * words;
    job->passes = (singles - 1) / 4;
    job->triples = row->triples;
    job->singles = singles == 0 ? 0 : (singles - 1) % 4 + 1;
}
#endif

/* A channel without weights. */
static void
fill(const layer *l, const sparsec_depthwise_row *row, int8_t *output, const int32_t pixels, const int32_t step)
{
    const int8_t value =
        sparsec_output(row->bias, row->multiplier, row->shift, l->params->output_offset, &l->params->activation);
    int32_t left = pixels;
    for (; left >= 4; left -= 4)
    {
        output[0] = value;
        output[step] = value;
        output[2 * step] = value;
        output += 3 * step;
        output[0] = value;
        output += step;
    }
    for (; left > 0; left--)
    {
        output[0] = value;
        output += step;
    }
}

void sparsec_depthwise_convolve_delta8_s8(const cmsis_nn_context *ctx,
                                          const cmsis_nn_dw_conv_params *dw_conv_params,
                                          const cmsis_nn_dims *input_dims,
                                          const int8_t *input,
                                          const cmsis_nn_dims *filter_dims,
                                          const int32_t *rows,
                                          const cmsis_nn_dims *output_dims,
                                          int8_t *output)
{
    sparsec_depthwise_header header;
    layer l;

    memcpy(&header, rows, sizeof(header));
    rows += sizeof(header) / sizeof(*rows);
    l.plane = sparsec_depthwise_plane_of(dw_conv_params, input_dims, filter_dims, output_dims, &header);
    l.params = dw_conv_params;
    l.padding = -dw_conv_params->input_offset;
    l.input_step = l.plane.inner.stride * l.plane.inner.input_step;
    l.input_partner =
        l.plane.inner.partner * l.input_step + l.plane.outer.partner * l.plane.outer.stride * l.plane.outer.input_step;
    l.output_step = l.plane.inner.output_step;
    l.output_partner = l.plane.inner.partner * l.output_step + l.plane.outer.partner * l.plane.outer.output_step;

    const int32_t words = l.plane.rows * l.plane.row_words;
    int32_t *const plane = (int32_t *)ctx->buf;
    for (int32_t i = 0; i < words; i++)
    {
        plane[i] = l.padding + l.padding * (1 << PACKED_FIELD_BITS);
    }
    l.words = (int8_t *)ctx->buf;
    l.segments = (sparsec_depthwise_segment *)(void *)(plane + words);
    l.segments_end = l.segments;
    list_segments(&l);
    l.strips[0] =
        (sparsec_depthwise_strip *)(void *)(l.segments + sparsec_depthwise_segments(&l.plane, header.pairs_inner));
    list_strips(&l);

#if defined(PACKED_ASSEMBLY)
    int8_t *const clamped = output;
    const sparsec_depthwise_unfolding unfolding = {l.words, l.input_partner, l.padding, l.input_step};
    sparsec_depthwise_job job;
    job.plane = l.words;
    job.partner = l.output_partner;
    job.step = l.output_step;
    job.three_steps = 3 * l.output_step;
    memcpy(job.strips, l.strips, sizeof(job.strips));
#endif
    const int32_t multiplier = dw_conv_params->ch_mult;
    for (int32_t channel = 0; channel < input_dims->c; channel++)
    {
        bool unfolded = false;
        for (int32_t i = 0; i < multiplier; i++)
        {
            sparsec_depthwise_row row;
            memcpy(&row, rows, sizeof(row));
            const int8_t *entries = (const int8_t *)rows + sizeof(row);
            const int32_t singles = row.counts & DEPTHWISE_SINGLES;
            rows += sizeof(row) / sizeof(*rows) + (size_t)(row.triples + (singles + 1) / 2);
            int8_t *const first = output++;
            if (row.triples + singles == 0)
            {
                fill(&l, &row, first, output_dims->h * output_dims->w, output_dims->c);
                continue;
            }
            if (!unfolded)
            {
#if defined(PACKED_ASSEMBLY)
                sparsec_depthwise_unfold(l.segments, l.segments_end, input + channel, &unfolding);
#else
                unfold(&l, input + channel);
#endif
                unfolded = true;
            }
#if defined(PACKED_ASSEMBLY)
            if (row.counts & DEPTHWISE_NARROW)
            {
                prepare(&job, &l, &row, entries, first);
                sparsec_depthwise_strips(&job);
                continue;
            }
#endif
            convolve_row(&l, &row, entries, first);
        }
    }
#if defined(PACKED_ASSEMBLY)
    sparsec_clamp_bytes(clamped, output_dims->h * output_dims->w * output_dims->c, &dw_conv_params->activation);
#endif
}
