/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The loop over the rows of a sparse fully connected kernel that reads two lists.
 */

#ifndef SPARSEC_EACH_ROW_H
#define SPARSEC_EACH_ROW_H

#include "sparsec_sparse_rows.h"

/* Where a kernel is in its two lists. */
typedef struct
{
    const uint8_t *first;
    const uint8_t *second;
} sparsec_position;

/* The bias and the sum of a row's products: the file that includes this defines it. It moves on to the next row, and
 * leaves of `counts` the lowest byte only; `wide` numbers take two bytes. */
SPARSEC_ALWAYS_INLINE int32_t
accumulate_row(const int8_t *input, sparsec_position *at, int32_t *counts, int32_t bias, bool wide);

/* Row by row. */
SPARSEC_ALWAYS_INLINE void sparsec_each_row(const cmsis_nn_fc_params *fc_params,
                                            const int32_t saturating,
                                            const int8_t *input,
                                            const int32_t *row,
                                            sparsec_position at,
                                            int8_t *output,
                                            const int32_t outputs,
                                            const bool wide)
{
    const int8_t *const end = output + outputs;
#ifdef SPARSEC_DSP_ASSEMBLY
    if (saturating)
    {
        const int32_t centre = 2 * fc_params->output_offset + 1;
        while (output != end)
        {
            int32_t counts = row[1];
            const int32_t acc = accumulate_row(input, &at, &counts, row[0], wide);
            *output++ = sparsec_row_saturated(acc, counts, row[2], centre);
            row += SPARSEC_ROW_WORDS;
        }
        return;
    }
#else
    (void)saturating;
#endif
    while (output != end)
    {
        int32_t counts = row[1];
        const int32_t acc = accumulate_row(input, &at, &counts, row[0], wide);
        *output++ = sparsec_row_output(acc, row, fc_params);
        row += SPARSEC_ROW_WORDS;
    }
}

#endif
