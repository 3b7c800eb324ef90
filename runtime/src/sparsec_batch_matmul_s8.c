/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_matmul.h"

#if defined(SPARSEC_MATMUL_DSP)

/* Four rows at most of a product. */
static void multiply_rows(const sparsec_matmul_params *const params,
                          const sparsec_matmul_sizes *const sizes,
                          const int32_t rows,
                          const int8_t *const lhs,
                          const sparsec_matrices *const lhs_matrices,
                          const int8_t *const rhs,
                          const sparsec_matrices *const rhs_matrices,
                          int16_t *const halves,
                          int8_t *const output,
                          const sparsec_matrices *const output_matrices)
{
    const sparsec_doubled scale = sparsec_doubled_of(params);
    const bool along = rhs_matrices->row == 1;
    int32_t sums[SPARSEC_ROWS];
    sparsec_widen_rows(lhs,
                       lhs_matrices->row,
                       lhs_matrices->column,
                       rows,
                       sizes->depth,
                       params->lhs_offset,
                       along,
                       halves,
                       sums);
    for (int32_t j = 0; j < sizes->columns; j += along ? 1 : 2)
    {
        /* The last two columns of an odd number are taken together, one of them once more. */
        const int32_t first = along || j + 2 <= sizes->columns ? j : j - 1;
        sparsec_across two = {.halves = halves, .columns = rhs + first, .step = rhs_matrices->row};
        for (int32_t i = 0; i < SPARSEC_ROWS; i++)
        {
            two.acc[i] = params->rhs_offset * sums[i];
            two.acc[SPARSEC_ROWS + i] = two.acc[i];
        }
        if (along)
        {
            sparsec_dots_along(halves, rhs + first * rhs_matrices->column, sizes->depth, two.acc);
        }
        else
        {
            sparsec_dots_across(&two, sizes->depth);
        }
        int8_t *results = output + first * output_matrices->column;
        for (int32_t i = 0; i < rows; i++)
        {
            results[0] = sparsec_doubled_output(two.acc[i], scale, params);
            if (!along)
            {
                results[output_matrices->column] = sparsec_doubled_output(two.acc[SPARSEC_ROWS + i], scale, params);
            }
            results += output_matrices->row;
        }
    }
}

#endif

/* A row of a product. */
static void multiply_row(const sparsec_matmul_params *const params,
                         const sparsec_matmul_sizes *const sizes,
                         const int8_t *const lhs,
                         const sparsec_matrices *const lhs_matrices,
                         const int8_t *rhs,
                         const sparsec_matrices *const rhs_matrices,
                         int8_t *output,
                         const sparsec_matrices *const output_matrices)
{
    for (int32_t j = 0; j < sizes->columns; j++)
    {
        const int32_t sum = sparsec_dot(lhs, lhs_matrices->column, rhs, rhs_matrices->row, sizes->depth, params);
        *output = sparsec_matmul_output(sum, params);
        rhs += rhs_matrices->column;
        output += output_matrices->column;
    }
}

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
#if !defined(SPARSEC_MATMUL_DSP)
    (void)ctx;
#endif
    for (int32_t outer = 0; outer < sizes->outer; outer++)
    {
        for (int32_t head = 0; head < sizes->heads; head++)
        {
            const int8_t *left = lhs + outer * lhs_matrices->outer + head * lhs_matrices->head;
            const int8_t *const right = rhs + outer * rhs_matrices->outer + head * rhs_matrices->head;
            int8_t *results = output + outer * output_matrices->outer + head * output_matrices->head;
#if defined(SPARSEC_MATMUL_DSP)
            /* A single column the elements of which lie apart has no neighbour to be taken together with. */
            const bool alone = sizes->columns == 1 && rhs_matrices->row != 1;
            for (int32_t i = 0; i < sizes->rows && !alone; i += SPARSEC_ROWS)
            {
                const int32_t rows = sizes->rows - i < SPARSEC_ROWS ? sizes->rows - i : SPARSEC_ROWS;
                multiply_rows(params,
                              sizes,
                              rows,
                              left,
                              lhs_matrices,
                              right,
                              rhs_matrices,
                              ctx->buf,
                              results,
                              output_matrices);
                left += SPARSEC_ROWS * lhs_matrices->row;
                results += SPARSEC_ROWS * output_matrices->row;
            }
            if (!alone)
            {
                continue;
            }
#endif
            for (int32_t i = 0; i < sizes->rows; i++)
            {
                multiply_row(params, sizes, left, lhs_matrices, right, rhs_matrices, results, output_matrices);
                left += lhs_matrices->row;
                results += output_matrices->row;
            }
        }
    }
}
