/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Sums of products of a row and a column of two int8 matrices, and what becomes of them.
 */

#ifndef SPARSEC_MATMUL_H
#define SPARSEC_MATMUL_H

#include "sparsec.h"
#include "sparsec_arch.h"

static inline int32_t sparsec_dot(const int8_t *lhs,
                                  const int32_t lhs_step,
                                  const int8_t *rhs,
                                  const int32_t rhs_step,
                                  const int32_t depth,
                                  const sparsec_matmul_params *const params)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < depth; i++)
    {
        sum += (lhs[i * lhs_step] + params->lhs_offset) * (rhs[i * rhs_step] + params->rhs_offset);
    }
    return sum;
}

static inline int8_t sparsec_matmul_output(const int32_t sum, const sparsec_matmul_params *const params)
{
    return sparsec_output(sum,
                          params->quant_params.multiplier,
                          params->quant_params.shift,
                          params->output_offset,
                          &params->activation);
}

#endif
