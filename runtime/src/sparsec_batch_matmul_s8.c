/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_matmul.h"

void sparsec_batch_matmul_s8(const cmsis_nn_context *ctx,
                             const sparsec_matmul_params *params,
                             const sparsec_matmul_sizes *sizes,
                             const sparsec_matrices *lhs_matrices,
                             const int8_t *lhs,
                             const sparsec_matrices *rhs_matrices,
                             const int8_t *rhs,
                             const sparsec_matrices *output_matrices,
                             int8_t *output)
{
    (void)ctx;
    for (int32_t outer = 0; outer < sizes->outer; outer++)
    {
        for (int32_t head = 0; head < sizes->heads; head++)
        {
            const int8_t *row = lhs + outer * lhs_matrices->outer + head * lhs_matrices->head;
            const int8_t *const columns = rhs + outer * rhs_matrices->outer + head * rhs_matrices->head;
            int8_t *results = output + outer * output_matrices->outer + head * output_matrices->head;
            for (int32_t i = 0; i < sizes->rows; i++)
            {
                for (int32_t j = 0; j < sizes->columns; j++)
                {
                    const int32_t sum = sparsec_dot(row,
                                                    lhs_matrices->column,
                                                    columns + j * rhs_matrices->column,
                                                    rhs_matrices->row,
                                                    sizes->depth,
                                                    params);
                    results[j * output_matrices->column] = sparsec_matmul_output(sum, params);
                }
                row += lhs_matrices->row;
                results += output_matrices->row;
            }
        }
    }
}
