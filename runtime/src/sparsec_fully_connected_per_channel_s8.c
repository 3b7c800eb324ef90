/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two rows of weights at a time (four with MVE), so that each input is loaded once for them.
 */

#include "sparsec.h"
#include "sparsec_requantize_mve.h"

#if defined(ARM_MATH_MVEI) && defined(__GNUC__)

    /* A row of weights by the 16 inputs in q0. */
    #define ROW(ROW, ACC, VECTOR)                    \
        "vldrb.u8 " VECTOR ", [%[" ROW "]], #16\n\t" \
        "vmladava.s8 %[" ACC "], q0, " VECTOR "\n\t"

/* Four rows from `rows` on, `stride` bytes apart, to four bytes. gcc 12 takes five times as many instructions for a loop
 * that leaves out the last lanes. */
static inline int32x4_t
dot_x4(const int8_t *input, const int8_t *rows, const int32_t stride, const int32_t columns, const int32x4_t bias)
{
    const int8_t *row0 = rows;
    const int8_t *row1 = row0 + stride;
    const int8_t *row2 = row1 + stride;
    const int8_t *row3 = row2 + stride;
    int32_t acc0 = 0;
    int32_t acc1 = 0;
    int32_t acc2 = 0;
    int32_t acc3 = 0;
    int32x4_t sums;
    /* Of two registers that go to lanes the first goes to the lower one, which is named second. */
    __ASM volatile(
        "wlstp.8 lr, %[columns], 2f\n"
        "1:\n\t"
        "vldrb.u8 q0, [%[input]], #16\n\t" ROW("row0", "acc0", "q1") ROW("row1", "acc1", "q2") ROW("row2", "acc2", "q1")
            ROW("row3", "acc3", "q2") "letp lr, 1b\n"
                                      "2:\n\t"
                                      "vmov %q[sums][2], %q[sums][0], %[acc0], %[acc2]\n\t"
                                      "vmov %q[sums][3], %q[sums][1], %[acc1], %[acc3]" : [acc0] "+Te"(acc0),
        [acc1] "+Te"(acc1),
        [acc2] "+Te"(acc2),
        [acc3] "+Te"(acc3),
        [input] "+r"(input),
        [row0] "+r"(row0),
        [row1] "+r"(row1),
        [row2] "+r"(row2),
        [row3] "+r"(row3),
        [sums] "=&t"(sums) : [columns] "r"(columns) : "lr",
        "q0",
        "q1",
        "q2",
        "cc",
        "memory");
    return vaddq_s32(sums, bias);
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
    const int32_t offset = fc_params->output_offset;
    const cmsis_nn_activation clamp = fc_params->activation;
    const int32_t *multiplier = quant_params->multiplier;
    const int32_t *shift = quant_params->shift;
    int32_t left = output_dims->c;
    for (; left >= 4; left -= 4)
    {
        const int32x4_t acc = dot_x4(input, filter, columns, columns, vldrwq_s32(bias));
        const int32x4_t result = sparsec_any_of_channels(acc, vldrwq_s32(multiplier), vldrwq_s32(shift), offset);
        sparsec_store_x4(output, result, offset, &clamp);
        filter += 4 * columns;
        bias += 4;
        multiplier += 4;
        shift += 4;
        output += 4;
    }
    /* The same row four times. */
    for (; left > 0; left--)
    {
        const int32x4_t acc = dot_x4(input, filter, 0, columns, vdupq_n_s32(*bias++));
        const int32x4_t scale = vdupq_n_s32(*multiplier++);
        const int32x4_t result = sparsec_any_of_channels(acc, scale, vdupq_n_s32(*shift++), offset);
        int8_t same[4];
        sparsec_store_x4(same, result, offset, &clamp);
        *output++ = same[0];
        filter += columns;
    }
}

#else

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
    for (int32_t row = 0; row < rows; row += 2)
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

#endif
