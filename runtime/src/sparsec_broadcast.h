/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The loops over two tensors that broadcast: an axis of one element is repeated.
 */

#ifndef SPARSEC_BROADCAST_H
#define SPARSEC_BROADCAST_H

#include "sparsec_arch.h"

#include "sparsec.h"

/* `size` elements of the output, from two rows that go on by 0 or 1 bytes each; `numbers` are the function's own. */
typedef void (*sparsec_row_function)(const void *numbers,
                                     const int8_t *row_1,
                                     int32_t step_1,
                                     const int8_t *row_2,
                                     int32_t step_2,
                                     int32_t size,
                                     int8_t *output);

#if defined(ARM_MATH_MVEI)

/* Bytes `i` to `i` + 3 of a row, or its one byte four times. */
static inline int32x4_t
sparsec_four_or_one(const int8_t *row, const int32_t step, const int32_t i, const mve_pred16_t exist)
{
    return step != 0 ? vldrbq_z_s32(row + i, exist) : vdupq_n_s32(*row);
}

static inline void sparsec_store_four(int8_t *output,
                                      const int32x4_t values,
                                      const cmsis_nn_activation *const activation,
                                      const mve_pred16_t exist)
{
    const int32x4_t raised = vmaxq_s32(values, vdupq_n_s32(activation->min));
    vstrbq_p_s32(output, vminq_s32(raised, vdupq_n_s32(activation->max)), exist);
}

#endif

/* The row of a tensor that meets row (n, h, w) of the output. */
static inline const int8_t *
sparsec_row(const cmsis_nn_dims *dims, const int8_t *data, const int32_t n, const int32_t h, const int32_t w)
{
    const int32_t plane = (dims->n == 1 ? 0 : n) * dims->h + (dims->h == 1 ? 0 : h);
    return data + (plane * dims->w + (dims->w == 1 ? 0 : w)) * dims->c;
}

static inline int32_t sparsec_longer(const int32_t size_1, const int32_t size_2)
{
    return size_1 > size_2 ? size_1 : size_2;
}

/* Row by row of the output. */
static inline void sparsec_each_row_of_two(const sparsec_row_function function,
                                           const void *numbers,
                                           const cmsis_nn_dims *dims_1,
                                           const int8_t *input_1,
                                           const cmsis_nn_dims *dims_2,
                                           const int8_t *input_2,
                                           int8_t *output)
{
    const int32_t size = sparsec_longer(dims_1->c, dims_2->c);
    const int32_t step_1 = dims_1->c > 1;
    const int32_t step_2 = dims_2->c > 1;
    for (int32_t n = 0; n < sparsec_longer(dims_1->n, dims_2->n); n++)
    {
        for (int32_t h = 0; h < sparsec_longer(dims_1->h, dims_2->h); h++)
        {
            for (int32_t w = 0; w < sparsec_longer(dims_1->w, dims_2->w); w++)
            {
                const int8_t *const row_1 = sparsec_row(dims_1, input_1, n, h, w);
                const int8_t *const row_2 = sparsec_row(dims_2, input_2, n, h, w);
                function(numbers, row_1, step_1, row_2, step_2, size, output);
                output += size;
            }
        }
    }
}

#endif
