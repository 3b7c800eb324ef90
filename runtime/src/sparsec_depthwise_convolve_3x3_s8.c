/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolution of 3x3 windows. The inputs of four neighbouring channels are widened together, each byte once,
 * into words that hold the two rows of a column; then each of the channels goes along the rows with its weights in
 * registers. A plane is as wide as the image with its padding and two pairs of rows high.
 */

#include "sparsec.h"
#include "sparsec_clamp_bytes.h"
#include "sparsec_depthwise_3x3.h"
#include "sparsec_depthwise_3x3_assembly.h"

/* What a call works with. */
typedef struct
{
    const cmsis_nn_dw_conv_params *params;
    const cmsis_nn_dims *input, *output;
    int32_t *planes;
    int32_t columns; /* From a plane to the next one */
    int32_t inside;  /* Columns that are not padding */
    int8_t padding[DEPTHWISE_3X3_LANES];
} layer;

/* Widen two rows of up to four channels, `row` being the first, to the even (odd) places. */
static void widen_in_c(const layer *l, const int8_t *image, const int32_t row, const int32_t odd)
{
    const int32_t channels = l->input->c;
    const int32_t lanes = channels < DEPTHWISE_3X3_LANES ? channels : DEPTHWISE_3X3_LANES;
    for (int32_t x = 0; x < l->inside; x++)
    {
        const int8_t *pixels[2] = {l->padding, l->padding};
        for (int32_t i = 0; i < 2; i++)
        {
            if (row + i >= 0 && row + i < l->input->h)
            {
                pixels[i] = image + ((row + i) * l->input->w + x) * channels;
            }
        }
        int32_t *word = l->planes + 2 * (l->params->padding.w + x) + odd;
        for (int32_t lane = 0; lane < lanes; lane++)
        {
            *word = (uint16_t)pixels[0][lane] | pixels[1][lane] * (1 << 16);
            word += 2 * l->columns;
        }
    }
}

/* One output pixel from three columns of a plane. The window begins with their upper row, or with the `lower`. */
static int32_t sum(const sparsec_depthwise_3x3_row *row, const int32_t *columns, const int32_t odd, const int32_t lower)
{
    uint32_t result = (uint32_t)row->bias;
    for (int32_t x = 0; x < 3; x++)
    {
        const int16_t *const weights = row->weights[x];
        const int32_t words[2] = {columns[2 * x + odd], columns[2 * x + 1 - odd]};
        for (int32_t y = 0; y < 3; y++)
        {
            const int32_t word = words[(y + lower) / 2];
            const int32_t input = (y + lower) % 2 == 0 ? (int16_t)word : word >> 16;
            result += (uint32_t)(input * weights[y < 2 ? y : 3]);
        }
    }
    return (int32_t)result;
}

/* The sum of a row that is not plain to its output. */
static int8_t finish(const layer *l, const sparsec_depthwise_3x3_row *row, const bool quick, const int32_t acc)
{
    const int64_t product = (int64_t)acc * row->multiplier;
    int32_t result;
    if (quick)
    {
        result = (row->addend + (int32_t)(product >> 32)) >> DEPTHWISE_3X3_SHIFT;
    }
    else
    {
        int32_t shift = 1;
        while ((row->addend & (1 << (shift - 1))) == 0)
        {
            shift++;
        }
        result = (row->addend + (acc >> 31) + (int32_t)((product + ((int64_t)1 << 31)) >> 32)) >> shift;
    }
    return sparsec_clamp(result, &l->params->activation);
}

/* The rows from `first` to `end` of a group in plain C, of which the quick ones are in front. */
static SPARSEC_NOINLINE void rows_in_c(const layer *l,
                                       const sparsec_depthwise_3x3_group *group,
                                       const int32_t *rows,
                                       const int32_t first,
                                       const int32_t end,
                                       const int8_t *image,
                                       int8_t *output)
{
    const int32_t stride = l->params->stride.w;
    const int32_t channels = l->output->c;
    const int32_t top = l->params->padding.h;
    widen_in_c(l, image, -top, 0);
    for (int32_t y = 0; y < l->output->h; y++)
    {
        /* Every second window of a stride of 1 begins with the lower row of a pair. */
        const int32_t lower = stride == 1 ? y % 2 : 0;
        const int32_t pair = stride == 1 ? y / 2 : y;
        if (lower == 0)
        {
            widen_in_c(l, image, 2 * (pair + 1) - top, 1 - pair % 2);
        }
        for (int32_t i = first; i < end; i++)
        {
            sparsec_depthwise_3x3_row row;
            memcpy(&row, rows + i * (int32_t)(sizeof(row) / sizeof(*rows)), sizeof(row));
            const int32_t lane = (group->lanes >> (2 * i)) & (DEPTHWISE_3X3_LANES - 1);
            const int32_t *columns = l->planes + 2 * lane * l->columns;
            int8_t *pixel = output + y * l->output->w * channels + lane;
            for (int32_t x = 0; x < l->output->w; x++)
            {
                const int32_t acc = sum(&row, columns, pair % 2, lower);
                *pixel = i < group->quick + group->any ? finish(l, &row, i < group->quick, acc)
                                                       : sparsec_output(acc,
                                                                        row.multiplier,
                                                                        row.addend,
                                                                        l->params->output_offset,
                                                                        &l->params->activation);
                columns += 2 * stride;
                pixel += channels;
            }
        }
    }
}

#if defined(DEPTHWISE_3X3_ASSEMBLY)
/* The rows of a group that are not plain. */
static void rows_in_assembly(const layer *l,
                             const sparsec_depthwise_3x3_group *group,
                             const int32_t *rows,
                             const int8_t *image,
                             int8_t *output)
{
    const int32_t stride = l->params->stride.w;
    const int32_t top = l->params->padding.h;
    const int32_t width = l->output->w;
    const int32_t channels = l->output->c;
    sparsec_depthwise_3x3_job job;
    job.plane_bytes = 8 * l->columns;
    job.output = output;
    job.rows = rows;
    job.lanes = group->lanes;
    job.quick = group->quick;
    job.any = group->any;
    job.channels = channels;
    job.output_row = width * channels;
    job.step = 8 * stride;
    job.row = -top;
    job.height = l->input->h;
    job.input_row = l->input->w * channels;
    job.input = image - top * job.input_row;
    job.padding = l->padding;
    job.words = l->planes + 2 * l->params->padding.w;
    job.inside = l->inside;
    job.odd = 0;
    sparsec_depthwise_3x3_widen(&job, 0);
    int32_t left = l->output->h;
    if (stride == 1 && left > 1)
    {
        job.planes = (const int8_t *)l->planes - 16;
        job.span = width / 2 * 16;
        job.tail = width % 2;
        job.strips = left / 2;
        job.advance = 2 * job.output_row;
        sparsec_depthwise_3x3_two(&job);
        job.odd = left / 2 % 2;
        left %= 2;
    }
    if (left > 0)
    {
        /* Blocks of one row are for a stride of 2. */
        const int32_t blocks = stride == 1 ? 0 : width / 2;
        job.planes = (const int8_t *)l->planes - 32;
        job.span = blocks * 32;
        job.tail = width - 2 * blocks;
        job.strips = left;
        job.advance = job.output_row;
        sparsec_depthwise_3x3_one(&job);
    }
}
#endif

void sparsec_depthwise_convolve_3x3_s8(const cmsis_nn_context *ctx,
                                       const cmsis_nn_dw_conv_params *dw_conv_params,
                                       const cmsis_nn_dims *input_dims,
                                       const int8_t *input,
                                       const int32_t *rows,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output)
{
    const int32_t channels = input_dims->c;
    const int32_t width = (output_dims->w - 1) * dw_conv_params->stride.w + 3;
    const int32_t right = width - dw_conv_params->padding.w;
    const int8_t padding = (int8_t)-dw_conv_params->input_offset;
    const layer l = {dw_conv_params,
                     input_dims,
                     output_dims,
                     (int32_t *)ctx->buf,
                     sparsec_depthwise_3x3_columns(dw_conv_params, input_dims, output_dims),
                     right < input_dims->w ? right : input_dims->w,
                     {padding, padding, padding, padding}};
    const int32_t words = 2 * ((DEPTHWISE_3X3_LANES - 1) * l.columns + width);
    for (int32_t i = 0; i < words; i++)
    {
        l.planes[i] = (uint16_t)padding | padding * (1 << 16);
    }
    for (int32_t first = 0; first < channels; first += DEPTHWISE_3X3_LANES)
    {
        sparsec_depthwise_3x3_group group;
        memcpy(&group, rows, sizeof(group));
        rows++;
        const int32_t narrow = group.quick + group.any;
        const int32_t count = narrow + group.plain;
        /* The last group ends with the last channel. */
        const int32_t last = channels - DEPTHWISE_3X3_LANES;
        const int32_t channel = first > last && last > 0 ? last : first;
        const int8_t *const image = input + channel;
        int8_t *const pixels = output + channel;
#if defined(DEPTHWISE_3X3_ASSEMBLY)
        const bool fast = channels >= DEPTHWISE_3X3_LANES;
        if (narrow > 0 && fast)
        {
            rows_in_assembly(&l, &group, rows, image, pixels);
        }
#else
        const bool fast = false;
#endif
        if (narrow > 0 && !fast)
        {
            rows_in_c(&l, &group, rows, 0, narrow, image, pixels);
        }
        if (group.plain > 0)
        {
            rows_in_c(&l, &group, rows, narrow, count, image, pixels);
        }
        rows += count * (int32_t)(sizeof(sparsec_depthwise_3x3_row) / sizeof(*rows));
    }
#if defined(DEPTHWISE_3X3_ASSEMBLY)
    sparsec_clamp_bytes(output, output_dims->h * output_dims->w * channels, &dw_conv_params->activation);
#endif
}
