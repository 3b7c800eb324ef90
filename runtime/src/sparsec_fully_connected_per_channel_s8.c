/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two rows of weights at a time (four with MVE), so that each input is loaded once for them.
 */

#include "sparsec.h"
#include "sparsec_arch.h"

#if defined(ARM_MATH_MVEI)

/* Dot products of the input with four rows, `stride` bytes apart, added to the bias. */
static inline int32x4_t
dot_x4(const int8_t *input, const int8_t *rows, const int32_t stride, const int32_t columns, const int32_t *bias)
{
    const int8_t *row0 = rows;
    const int8_t *row1 = row0 + stride;
    const int8_t *row2 = row1 + stride;
    const int8_t *row3 = row2 + stride;
    int32_t acc0 = bias[0];
    int32_t acc1 = bias[1];
    int32_t acc2 = bias[2];
    int32_t acc3 = bias[3];
    int32_t left = columns;
    for (; left >= 16; left -= 16)
    {
        const int8x16_t values = vldrbq_s8(input);
        acc0 = vmladavaq_s8(acc0, values, vldrbq_s8(row0));
        acc1 = vmladavaq_s8(acc1, values, vldrbq_s8(row1));
        acc2 = vmladavaq_s8(acc2, values, vldrbq_s8(row2));
        acc3 = vmladavaq_s8(acc3, values, vldrbq_s8(row3));
        input += 16;
        row0 += 16;
        row1 += 16;
        row2 += 16;
        row3 += 16;
    }
    if (left > 0)
    {
        const mve_pred16_t p = vctp8q((uint32_t)left);
        const int8x16_t values = vldrbq_z_s8(input, p);
        acc0 = vmladavaq_s8(acc0, values, vldrbq_z_s8(row0, p));
        acc1 = vmladavaq_s8(acc1, values, vldrbq_z_s8(row1, p));
        acc2 = vmladavaq_s8(acc2, values, vldrbq_z_s8(row2, p));
        acc3 = vmladavaq_s8(acc3, values, vldrbq_z_s8(row3, p));
    }
    const int32x4_t acc = {acc0, acc1, acc2, acc3};
    return acc;
}

#endif

#if defined(ARM_MATH_DSP)

/* Four products: `even` and `odd` are the bytes 0, 2 and 1, 3 of the input, widened. */
static inline int32_t mac_x4(const int8_t *row, const uint32_t even, const uint32_t odd, const int32_t acc)
{
    const uint32_t weights = (uint32_t)arm_nn_read_s8x4(row);
    const uint32_t partial = (uint32_t)SMLAD((uint32_t)SXTB16(weights), even, (uint32_t)acc);
    return (int32_t)SMLAD((uint32_t)SXTB16_RORn(weights, 8), odd, partial);
}

#endif

/* Dot products of the input with two rows, added to `acc`. */
static inline void dot_x2(const int8_t *input, const int8_t *row0, const int8_t *row1, int32_t columns, int32_t acc[2])
{
    int32_t acc0 = acc[0];
    int32_t acc1 = acc[1];
#if defined(ARM_MATH_DSP)
    #if defined(__GNUC__)
        #pragma GCC unroll 4
    #endif
    for (; columns >= 4; columns -= 4)
    {
        const uint32_t values = (uint32_t)arm_nn_read_s8x4(input);
        const uint32_t even = (uint32_t)SXTB16(values);
        const uint32_t odd = (uint32_t)SXTB16_RORn(values, 8);
        acc0 = mac_x4(row0, even, odd, acc0);
        acc1 = mac_x4(row1, even, odd, acc1);
        input += 4;
        row0 += 4;
        row1 += 4;
    }
#endif
    for (; columns > 0; columns--)
    {
        const int32_t value = *input++;
        acc0 += value * *row0++;
        acc1 += value * *row1++;
    }
    acc[0] = acc0;
    acc[1] = acc1;
}

void sparsec_fully_connected_per_channel_s8(const cmsis_nn_fc_params *fc_params,
                                            const cmsis_nn_per_channel_quant_params *quant_params,
                                            const int8_t *input,
                                            const cmsis_nn_dims *filter_dims,
                                            const int8_t *filter,
                                            const int32_t *bias,
                                            const cmsis_nn_dims *output_dims,
                                            int8_t *output)
{
    const int32_t columns = filter_dims->n;
    const int32_t rows = output_dims->c;
    int32_t row = 0;
#if defined(ARM_MATH_MVEI)
    for (; row + 4 <= rows; row += 4)
    {
        int32x4_t result = dot_x4(input, filter + row * columns, columns, columns, bias + row);
        result = arm_requantize_mve_32x4(result,
                                         vldrwq_s32(quant_params->multiplier + row),
                                         vldrwq_s32(quant_params->shift + row));
        result = vaddq_n_s32(result, fc_params->output_offset);
        result = vmaxq_s32(result, vdupq_n_s32(fc_params->activation.min));
        result = vminq_s32(result, vdupq_n_s32(fc_params->activation.max));
        vstrbq_s32(output + row, result);
    }
#endif
    for (; row < rows; row += 2)
    {
        /* The last row of an odd number of them is its own neighbour. */
        const int32_t pair = row + 1 < rows ? 2 : 1;
        const int8_t *const row0 = filter + row * columns;
        int32_t acc[2] = {bias[row], bias[row + pair - 1]};
        dot_x2(input, row0, row0 + (pair - 1) * columns, columns, acc);
        for (int32_t i = 0; i < pair; i++)
        {
            output[row + i] = sparsec_output(acc[i],
                                             quant_params->multiplier[row + i],
                                             quant_params->shift[row + i],
                                             fc_params->output_offset,
                                             &fc_params->activation);
        }
    }
}
