/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Weights as dCSR stores them: the columns of 16 weights are made in one vector, and their inputs gathered.
 */

#include "sparsec.h"
#include "sparsec_requantize_mve.h"

#define LANES 16
#define ROWS 4

/* What is stored, and where the next row begins. */
typedef struct
{
    const int8_t *values;
    const uint8_t *delta_indices;
    const int8_t *group_minimums;
    const uint8_t *bitmaps;
    const uint16_t *bitmasks;
    uint32_t group;
} place_t;

#if defined(ARM_MATH_MVEI)

/* The columns of the next group, less its base; `line` is the slope times the lane. */
static inline uint8x16_t next_columns(place_t *at, const uint8x16_t line)
{
    const uint32_t pair = at->group >> 1;
    const uint8x16_t both = vldrbq_u8(at->delta_indices + LANES * pair);
    const bool odd = at->group & 1;
    uint8x16_t columns = vaddq_u8(line, odd ? vandq_u8(both, vdupq_n_u8(15)) : vshrq_n_u8(both, 4));
    uint32_t map = (uint32_t)at->bitmaps[pair] >> (odd ? 0 : 4) & 15;
    for (uint32_t bit = LANES; map != 0; map >>= 1, bit <<= 1)
    {
        if (map & 1)
        {
            columns = vaddq_m_n_u8(columns, columns, (uint8_t)bit, *at->bitmasks++);
        }
    }
    at->group++;
    return columns;
}

/* The sum of the products of a row of so many elements. */
static inline int32_t accumulate_row(const int8_t *input, place_t *at, int32_t elements, const uint32_t slope)
{
    const uint8x16_t line = vmulq_n_u8(vidupq_n_u8(0, 1), (uint8_t)slope);
    const int8_t *base = input;
    int32_t acc = 0;
    for (; elements >= LANES; elements -= LANES)
    {
        base += at->group_minimums[at->group];
        const uint8x16_t columns = next_columns(at, line);
        acc = vmladavaq_s8(acc, vldrbq_s8(at->values), vldrbq_gather_offset_s8(base, columns));
        at->values += LANES;
        base += LANES * slope;
    }
    if (elements > 0)
    {
        const mve_pred16_t used = vctp8q((uint32_t)elements);
        base += at->group_minimums[at->group];
        const uint8x16_t columns = next_columns(at, line);
        const int8x16_t values = vldrbq_z_s8(at->values, used);
        acc = vmladavaq_s8(acc, values, vldrbq_gather_offset_z_s8(base, columns, used));
        at->values += elements;
    }
    return acc;
}

#else

static inline int32_t accumulate_row(const int8_t *input, place_t *at, int32_t elements, const uint32_t slope)
{
    int32_t base = 0;
    int32_t acc = 0;
    for (; elements > 0; elements -= LANES)
    {
        const uint32_t pair = at->group >> 1;
        const uint32_t shift = at->group & 1 ? 0 : 4;
        const uint32_t map = (uint32_t)at->bitmaps[pair] >> shift & 15;
        base += at->group_minimums[at->group];
        for (int32_t lane = 0; lane < LANES && lane < elements; lane++)
        {
            uint32_t column = slope * (uint32_t)lane + (at->delta_indices[LANES * pair + (uint32_t)lane] >> shift & 15);
            const uint16_t *mask = at->bitmasks;
            for (uint32_t bit = 0; bit < 4; bit++)
            {
                if (map >> bit & 1)
                {
                    column += (uint32_t)(*mask++ >> lane & 1) << (4 + bit);
                }
            }
            acc += input[base + (int32_t)column] * *at->values++;
        }
        for (uint32_t left = map; left != 0; left &= left - 1)
        {
            at->bitmasks++;
        }
        base += LANES * (int32_t)slope;
        at->group++;
    }
    return acc;
}

#endif

void sparsec_fully_connected_dcsr_s8(const cmsis_nn_fc_params *fc_params,
                                     const cmsis_nn_per_channel_quant_params *quant_params,
                                     const int8_t *input,
                                     const sparsec_encoded *weights,
                                     const int32_t *bias,
                                     const cmsis_nn_dims *output_dims,
                                     int8_t *output)
{
    const int32_t columns = weights->columns;
    const int16_t *row_offsets = (const int16_t *)weights->arrays[1];
    const int32_t mean = (int32_t)(*(const uint32_t *)weights->arrays[6] / (uint32_t)weights->rows);
    const int32_t *multiplier = quant_params->multiplier;
    const int32_t *shift = quant_params->shift;
    place_t at = {(const int8_t *)weights->arrays[0],
                  (const uint8_t *)weights->arrays[2],
                  (const int8_t *)weights->arrays[3],
                  (const uint8_t *)weights->arrays[4],
                  (const uint16_t *)weights->arrays[5],
                  0};
    for (int32_t left = output_dims->c; left > 0; left -= ROWS)
    {
        const int32_t rows = left < ROWS ? left : ROWS;
        int32_t acc[ROWS];
        for (int32_t row = 0; row < rows; row++)
        {
            const int32_t elements = mean + *row_offsets++;
            const uint32_t slope = elements != 0 ? (uint32_t)(columns + elements / 2) / (uint32_t)elements : 0;
            acc[row] = *bias++ + accumulate_row(input, &at, elements, slope);
        }
#if defined(ARM_MATH_MVEI)
        if (rows == ROWS)
        {
            const int32_t offset = fc_params->output_offset;
            const int32x4_t result =
                sparsec_any_of_channels(vldrwq_s32(acc), vldrwq_s32(multiplier), vldrwq_s32(shift), offset);
            sparsec_store_x4(output, result, offset, &fc_params->activation);
            multiplier += ROWS;
            shift += ROWS;
            output += ROWS;
            continue;
        }
#endif
        for (int32_t row = 0; row < rows; row++)
        {
            *output++ =
                sparsec_output(acc[row], *multiplier++, *shift++, fc_params->output_offset, &fc_params->activation);
        }
    }
}
