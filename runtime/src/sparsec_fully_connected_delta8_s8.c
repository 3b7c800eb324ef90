/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_arch.h"

/* The sum of a row's products; `entry` and `end` hold between them its entries. */
static inline int32_t accumulate_row(const int8_t *input, const uint8_t *entry, const uint8_t *const end, int32_t acc)
{
#if defined(ARM_MATH_DSP)
    /* Two entries a word: [step, weight, step, weight] from the lowest byte up. */
    #if defined(__GNUC__)
        #pragma GCC unroll 2
    #endif
    while (end - entry >= 4)
    {
        const int32_t word = arm_nn_read_s8x4((const int8_t *)entry);
        const int32_t weights = (int32_t)SXTB16_RORn((uint32_t)word, 8);
        input = sparsec_step_byte0(input, word);
        acc = __smlabb(*input, weights, acc);
        input = sparsec_step_byte2(input, word);
        acc = __smlabt(*input, weights, acc);
        entry += 4;
    }
#endif
    while (entry != end)
    {
        input += entry[0];
        acc += *input * (int8_t)entry[1];
        entry += 2;
    }
    return acc;
}

void sparsec_fully_connected_delta8_s8(const cmsis_nn_fc_params *fc_params,
                                       const cmsis_nn_per_channel_quant_params *quant_params,
                                       const int8_t *input,
                                       const uint8_t *entries,
                                       const uint16_t *counts,
                                       const int32_t *bias,
                                       const cmsis_nn_dims *output_dims,
                                       int8_t *output)
{
    for (int32_t row = 0; row < output_dims->c; row++)
    {
        const uint8_t *const end = entries + 2 * counts[row];
        const int32_t acc = accumulate_row(input, entries, end, bias[row]);
        output[row] = sparsec_output(acc,
                                     quant_params->multiplier[row],
                                     quant_params->shift[row],
                                     fc_params->output_offset,
                                     &fc_params->activation);
        entries = end;
    }
}
