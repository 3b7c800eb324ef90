/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_matmul.h"
#include "sparsec_matmul_mve.h"

#include <string.h>

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

#elif defined(SPARSEC_MATMUL_MVE)

    #define LANES 16

/* Sixteen bytes of four rows and four columns, at most, to where they go. `bytes` has a row of four for each of `rows`. */
static void place(const int8_t *const bytes,
                  const int32_t rows,
                  const int32_t columns,
                  int8_t *output,
                  const int32_t row,
                  const int32_t column)
{
    if (column == 1 && columns == 4)
    {
        for (int32_t i = 0; i < rows; i++)
        {
            memcpy(output + i * row, bytes + 4 * i, 4);
        }
        return;
    }
    for (int32_t i = 0; i < rows; i++)
    {
        for (int32_t j = 0; j < columns; j++)
        {
            output[j * column] = bytes[4 * i + j];
        }
        output += row;
    }
}

/* Four rows at most of a product, where rows on the left and columns on the right are runs of bytes. */
static void multiply_runs(const sparsec_matmul_params *const params,
                          const sparsec_matmul_sizes *const sizes,
                          const int32_t rows,
                          const int8_t *const lhs,
                          const sparsec_matrices *const lhs_matrices,
                          const int8_t *const rhs,
                          const sparsec_matrices *const rhs_matrices,
                          int8_t *const output,
                          const sparsec_matrices *const output_matrices)
{
    const int8_t *left[4];
    int32_t start[4];
    for (int32_t i = 0; i < 4; i++)
    {
        left[i] = lhs + (i < rows ? i : 0) * lhs_matrices->row;
        int32_t sum = sizes->depth * params->lhs_offset;
        for (int32_t d = 0; d < sizes->depth; d += LANES)
        {
            const mve_pred16_t exist = vctp8q((uint32_t)(sizes->depth - d));
            sum = vaddvaq_p_s8(sum, vldrbq_z_s8(left[i] + d, exist), exist);
        }
        start[i] = params->rhs_offset * sum;
    }
    for (int32_t first = 0; first < sizes->columns; first += 4)
    {
        const int32_t columns = sizes->columns - first < 4 ? sizes->columns - first : 4;
        int32x4_t sums[4];
        for (int32_t j = 0; j < 4; j++)
        {
            int32_t acc[4];
            const int8_t *const column = rhs + (first + (j < columns ? j : 0)) * rhs_matrices->column;
            const int32_t sum = sparsec_multiply_and_sum(column, left, sizes->depth, acc);
            sums[j] = vaddq_n_s32(vaddq_s32(vldrwq_s32(acc), vldrwq_s32(start)), params->lhs_offset * sum);
        }
        int8_t bytes[16];
        vstrbq_s8(bytes, sparsec_sums_to_bytes(sums, params));
        place(bytes,
              rows,
              columns,
              output + first * output_matrices->column,
              output_matrices->row,
              output_matrices->column);
    }
}

/* Four rows at most of a product, where rows on the right are runs of bytes. */
static void multiply_across(const sparsec_matmul_params *const params,
                            const sparsec_matmul_sizes *const sizes,
                            const int32_t rows,
                            const int8_t *const lhs,
                            const sparsec_matrices *const lhs_matrices,
                            const int8_t *const rhs,
                            const sparsec_matrices *const rhs_matrices,
                            int8_t *const output,
                            const sparsec_matrices *const output_matrices)
{
    const int32_t step = lhs_matrices->column;
    for (int32_t first = 0; first < sizes->columns; first += 4)
    {
        const int32_t columns = sizes->columns - first < 4 ? sizes->columns - first : 4;
        const mve_pred16_t exist = vctp32q((uint32_t)columns);
        const int8_t *right = rhs + first;
        const int8_t *left0 = lhs;
        const int8_t *left1 = lhs + (rows > 1 ? 1 : 0) * lhs_matrices->row;
        const int8_t *left2 = lhs + (rows > 2 ? 2 : 0) * lhs_matrices->row;
        const int8_t *left3 = lhs + (rows > 3 ? 3 : 0) * lhs_matrices->row;
        int32x4_t sums[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
        for (int32_t d = 0; d < sizes->depth; d++)
        {
            const int32x4_t values = vaddq_n_s32(vldrbq_z_s32(right, exist), params->rhs_offset);
            sums[0] = vmlaq_n_s32(sums[0], values, *left0 + params->lhs_offset);
            sums[1] = vmlaq_n_s32(sums[1], values, *left1 + params->lhs_offset);
            sums[2] = vmlaq_n_s32(sums[2], values, *left2 + params->lhs_offset);
            sums[3] = vmlaq_n_s32(sums[3], values, *left3 + params->lhs_offset);
            right += rhs_matrices->row;
            left0 += step;
            left1 += step;
            left2 += step;
            left3 += step;
        }
        int8_t bytes[16];
        vstrbq_s8(bytes, sparsec_sums_to_bytes(sums, params));
        /* A row of four bytes is of a column here. */
        place(bytes,
              columns,
              rows,
              output + first * output_matrices->column,
              output_matrices->column,
              output_matrices->row);
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
    (void)ctx;
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
#elif defined(SPARSEC_MATMUL_MVE)
            const bool runs = lhs_matrices->column == 1 && rhs_matrices->row == 1;
            if (runs || rhs_matrices->column == 1 || sizes->columns == 1)
            {
                for (int32_t i = 0; i < sizes->rows; i += 4)
                {
                    const int32_t rows = sizes->rows - i < 4 ? sizes->rows - i : 4;
                    (runs ? multiply_runs : multiply_across)(params,
                                                             sizes,
                                                             rows,
                                                             left,
                                                             lhs_matrices,
                                                             right,
                                                             rhs_matrices,
                                                             results,
                                                             output_matrices);
                    left += 4 * lhs_matrices->row;
                    results += 4 * output_matrices->row;
                }
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
