/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_arch.h"

/* The weights of the pixels that one is made of, `rows` times `columns`. */
typedef struct
{
    const int16_t *row_taps;
    int32_t rows;
    const int16_t *column_taps;
    int32_t columns;
} window;

static int32_t sum_of(const int16_t *taps, const int32_t count)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++)
    {
        sum += taps[i];
    }
    return sum;
}

#if defined(ARM_MATH_MVEI)

/* Four channels at a time, of which the predicate keeps those that exist. */
static inline void resample_pixel(const window *const window,
                                  const int32_t offset,
                                  const int32_t output_offset,
                                  const cmsis_nn_activation *const activation,
                                  const cmsis_nn_per_tensor_quant_params *const quant_params,
                                  const int32_t row_bytes,
                                  const int32_t channels,
                                  const int8_t *input,
                                  int8_t *output)
{
    for (int32_t c = 0; c < channels; c += 4)
    {
        const mve_pred16_t exist = vctp32q((uint32_t)(channels - c));
        int32x4_t sums = vdupq_n_s32(offset);
        const int8_t *row = input + c;
        for (int32_t y = 0; y < window->rows; y++)
        {
            const int8_t *pixel = row;
            for (int32_t x = 0; x < window->columns; x++)
            {
                const int32_t weight = window->row_taps[y] * window->column_taps[x];
                sums = vmlaq_n_s32(sums, vldrbq_z_s32(pixel, exist), weight);
                pixel += channels;
            }
            row += row_bytes;
        }
        sums = vaddq_n_s32(arm_requantize_mve(sums, quant_params->multiplier, quant_params->shift), output_offset);
        sums = vminq_s32(vmaxq_s32(sums, vdupq_n_s32(activation->min)), vdupq_n_s32(activation->max));
        vstrbq_p_s32(output + c, sums, exist);
    }
}

#else

/* The sums of `count` channels, 1 or 4. */
static inline void add_channels(const window *const window,
                                const int32_t row_bytes,
                                const int32_t channels,
                                const int8_t *input,
                                const int32_t count,
                                int32_t *sums)
{
    for (int32_t y = 0; y < window->rows; y++)
    {
        const int8_t *pixel = input;
        for (int32_t x = 0; x < window->columns; x++)
        {
            const int32_t weight = window->row_taps[y] * window->column_taps[x];
            for (int32_t k = 0; k < count; k++)
            {
                sums[k] += weight * pixel[k];
            }
            pixel += channels;
        }
        input += row_bytes;
    }
}

static inline void resample_pixel(const window *const window,
                                  const int32_t offset,
                                  const int32_t output_offset,
                                  const cmsis_nn_activation *const activation,
                                  const cmsis_nn_per_tensor_quant_params *const quant_params,
                                  const int32_t row_bytes,
                                  const int32_t channels,
                                  const int8_t *input,
                                  int8_t *output)
{
    const int32_t multiplier = quant_params->multiplier;
    const int32_t shift = quant_params->shift;
    int32_t c = 0;
    for (; channels - c >= 4; c += 4)
    {
        int32_t sums[4] = {offset, offset, offset, offset};
        add_channels(window, row_bytes, channels, input + c, 4, sums);
        for (int32_t k = 0; k < 4; k++)
        {
            output[c + k] = sparsec_output(sums[k], multiplier, shift, output_offset, activation);
        }
    }
    for (; c < channels; c++)
    {
        int32_t sum = offset;
        add_channels(window, row_bytes, channels, input + c, 1, &sum);
        output[c] = sparsec_output(sum, multiplier, shift, output_offset, activation);
    }
}

#endif

void sparsec_resample_s8(const int32_t input_offset,
                         const int32_t output_offset,
                         const cmsis_nn_activation *activation,
                         const cmsis_nn_per_tensor_quant_params *quant_params,
                         const cmsis_nn_dims *input_dims,
                         const int8_t *input,
                         const uint16_t *rows,
                         const int16_t *row_taps,
                         const int32_t row_tap_count,
                         const uint16_t *columns,
                         const int16_t *column_taps,
                         const int32_t column_tap_count,
                         const cmsis_nn_dims *output_dims,
                         int8_t *output)
{
    const int32_t channels = input_dims->c;
    const int32_t row_bytes = input_dims->w * channels;
    /* All pixels have the same sums of weights. */
    const int32_t offset = input_offset * sum_of(row_taps, row_tap_count) * sum_of(column_taps, column_tap_count);
    for (int32_t y = 0; y < output_dims->h; y++)
    {
        const int8_t *const row = input + rows[y] * row_bytes;
        for (int32_t x = 0; x < output_dims->w; x++)
        {
            const window window = {row_taps + y * row_tap_count,
                                   row_tap_count,
                                   column_taps + x * column_tap_count,
                                   column_tap_count};
            resample_pixel(&window,
                           offset,
                           output_offset,
                           activation,
                           quant_params,
                           row_bytes,
                           channels,
                           row + columns[x] * channels,
                           output);
            output += channels;
        }
    }
}
