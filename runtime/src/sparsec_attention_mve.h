/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Attention on Helium, four queries at once. Values are transposed once for each head, so that both products multiply runs of
 * bytes: a key with four queries, and a column of the values with four rows of probabilities.
 *
 * Probabilities are bytes less 128. As p + 128 is meant, 128 times the sum of a column is added to each of its products.
 */

#ifndef SPARSEC_ATTENTION_MVE_H
#define SPARSEC_ATTENTION_MVE_H

#include "sparsec_attention.h"
#include "sparsec_matmul_mve.h"

#if defined(ARM_MATH_MVEI) && defined(__GNUC__)
    #define SPARSEC_ATTENTION

    #define ROWS 4

    /* Keys of a vector. */
    #define LANES 16

/* Four queries of a head and what they are worked on with. `mask` is that of the first one, or NULL. */
typedef struct
{
    const sparsec_attention_params *params;
    const sparsec_attention_sizes *sizes;
    const int32_t *exponentials;
    const int8_t *mask;
    int32_t mask_row;
    int32_t rows;
    /* Bytes of a row of scores, and of a column of the values. */
    int32_t pitch;
    int8_t *scores;
    int8_t *columns;
    /* 128 times the sum of each column. */
    int32_t *sums;
    /* The sum of the probabilities of each row. */
    int32_t totals[ROWS];
} block_t;

/* Columns of the values as runs of bytes, zeros behind them, and 128 times their sums. */
static void transpose(const block_t *const block, const int8_t *const value, const int32_t value_row)
{
    const int32_t width = block->sizes->value_width;
    const int32_t keys = block->sizes->keys;
    const int32_t pitch = block->pitch;
    const uint16x8_t places = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)pitch);
    for (int32_t c = 0; c < width; c += 8)
    {
        const mve_pred16_t exist = vctp16q((uint32_t)(width - c));
        const int8_t *from = value + c;
        int8_t *to = block->columns + c * pitch;
        for (int32_t j = 0; j < keys; j++)
        {
            vstrbq_scatter_offset_p_s16(to, places, vldrbq_z_s16(from, exist), exist);
            from += value_row;
            to++;
        }
    }
    for (int32_t c = 0; c < width; c++)
    {
        int8_t *const column = block->columns + c * pitch;
        int32_t sum = 0;
        memset(column + keys, 0, (size_t)(pitch - keys));
        for (int32_t j = 0; j < pitch; j += LANES)
        {
            sum = vaddvaq_s8(sum, vldrbq_s8(column + j));
        }
        block->sums[c] = 128 * sum;
    }
}

/* What a mask adds to the sums of a key. */
static inline int32x4_t masked(const block_t *const block, const int32_t key)
{
    int32_t added[ROWS];
    for (int32_t i = 0; i < ROWS; i++)
    {
        const int32_t row = i < block->rows ? i : 0;
        added[i] = block->params->mask_factor * block->mask[row * block->mask_row + key];
    }
    return vldrwq_s32(added);
}

/* The scores of four queries, each row's one behind the other. Behind the last key is something. */
static void compute_scores(const block_t *const block,
                           const int8_t *const query,
                           const int32_t query_row,
                           const int8_t *const key,
                           const int32_t key_row)
{
    const sparsec_matmul_params *const params = &block->params->scores;
    const int32_t width = block->sizes->width;
    const int32_t keys = block->sizes->keys;
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)block->pitch);
    const mve_pred16_t exist = vctp8q((uint32_t)width);
    const int8_t *rows[ROWS];
    int32_t start[ROWS];
    for (int32_t i = 0; i < ROWS; i++)
    {
        rows[i] = query + (i < block->rows ? i : 0) * query_row;
        int32_t sum = width * params->lhs_offset;
        for (int32_t d = 0; d < width; d += LANES)
        {
            const mve_pred16_t left = vctp8q((uint32_t)(width - d));
            sum = vaddvaq_p_s8(sum, vldrbq_z_s8(rows[i] + d, left), left);
        }
        start[i] = params->rhs_offset * sum;
    }
    const int32x4_t starts = vldrwq_s32(start);
    const int8x16_t query0 = vldrbq_z_s8(rows[0], exist);
    const int8x16_t query1 = vldrbq_z_s8(rows[1], exist);
    const int8x16_t query2 = vldrbq_z_s8(rows[2], exist);
    const int8x16_t query3 = vldrbq_z_s8(rows[3], exist);
    for (int32_t first = 0; first < keys; first += 4)
    {
        int32_t acc[4 * ROWS];
        int32_t offsets[4];
        const int8_t *next = key + first * key_row;
        for (int32_t j = 0; j < 4; j++)
        {
            int32_t sum;
            if (width <= LANES)
            {
                const int8x16_t bytes = vldrbq_z_s8(next, exist);
                acc[ROWS * j] = vmladavq_s8(bytes, query0);
                acc[ROWS * j + 1] = vmladavq_s8(bytes, query1);
                acc[ROWS * j + 2] = vmladavq_s8(bytes, query2);
                acc[ROWS * j + 3] = vmladavq_s8(bytes, query3);
                sum = vaddvq_s8(bytes);
            }
            else
            {
                sum = sparsec_multiply_and_sum(next, rows, width, acc + ROWS * j);
            }
            offsets[j] = params->lhs_offset * sum;
            /* Behind the last key it is taken again. */
            next += first + j + 1 < keys ? key_row : 0;
        }
        int32x4_t sums[4];
        for (int32_t j = 0; j < 4; j++)
        {
            sums[j] = vaddq_n_s32(vaddq_s32(vldrwq_s32(acc + ROWS * j), starts), offsets[j]);
            if (block->mask != NULL)
            {
                sums[j] = vaddq_s32(sums[j], masked(block, first + j < keys ? first + j : first));
            }
        }
        vstrwq_scatter_offset_s32((int32_t *)(void *)(block->scores + first),
                                  places,
                                  vreinterpretq_s32_s8(sparsec_sums_to_bytes(sums, params)));
    }
}

/* The lanes of four keys from `key` on that exist and that a row sees. */
static inline mve_pred16_t visible(const int8_t *const mask, const int32_t key, const int32_t seen)
{
    const mve_pred16_t exist = vctp32q((uint32_t)(seen - key));
    return mask == NULL ? exist : vcmpneq_m_n_s32(vldrbq_z_s32(mask + key, exist), SPARSEC_HIDDEN, exist);
}

/* Of the scores of a row exp in Q0.31, 0 of what it does not see. */
static inline int32x4_t
exponentials_of(const int32_t *const exponentials, const int8_t *const row, const int32_t largest, const mve_pred16_t p)
{
    const int32x4_t distance = vsubq_s32(vdupq_n_s32(largest), vldrbq_z_s32(row, p));
    return vldrwq_gather_shifted_offset_z_s32(exponentials, vreinterpretq_u32_s32(distance), p);
}

static int32_t largest_of(const int8_t *const row, const int8_t *const mask, const int32_t seen)
{
    int8x16_t found = vdupq_n_s8(-128);
    for (int32_t j = 0; j < seen; j += LANES)
    {
        mve_pred16_t p = vctp8q((uint32_t)(seen - j));
        if (mask != NULL)
        {
            p = vcmpneq_m_n_s8(vldrbq_z_s8(mask + j, p), SPARSEC_HIDDEN, p);
        }
        found = vmaxq_m_s8(found, found, vldrbq_z_s8(row + j, p), p);
    }
    return vmaxvq_s8(-128, found);
}

/* The scores of a row to probabilities, less 128, in place; their sum. `mask` is that of the row, or NULL. */
static int32_t softmax(const block_t *const block, const int8_t *const mask, const int32_t seen, int8_t *const row)
{
    const int32_t *const exponentials = block->exponentials;
    const int32_t largest = largest_of(row, mask, seen);
    int32_t sum = 0;
    for (int32_t j = 0; j < seen; j += 4)
    {
        const int32x4_t found = exponentials_of(exponentials, row + j, largest, visible(mask, j, seen));
        sum = vaddvaq_s32(sum, vrshrq_n_s32(found, SPARSEC_SUM_BITS));
    }
    if (sum == 0 || sum >= SPARSEC_LARGE_SUM)
    {
        memset(row, -128, (size_t)block->sizes->keys);
        return 0;
    }
    const sparsec_share share = sparsec_share_of(sum);
    int32_t total = 0;
    for (int32_t j = 0; j < seen; j += 4)
    {
        const int32x4_t found = exponentials_of(exponentials, row + j, largest, visible(mask, j, seen));
        int32x4_t result = vrshlq_n_s32(vqrdmulhq_n_s32(found, share.reciprocal), -share.right);
        result = vminq_s32(result, vdupq_n_s32(255));
        total = vaddvaq_s32(total, result);
        vstrbq_s32(row + j, vsubq_n_s32(result, 128));
    }
    if (seen < block->sizes->keys)
    {
        memset(row + seen, -128, (size_t)(block->sizes->keys - seen));
    }
    return total;
}

/* The results of four queries. */
static void combine(const block_t *const block, int8_t *const output, const int32_t output_row)
{
    const sparsec_matmul_params *const params = &block->params->values;
    const int32_t width = block->sizes->value_width;
    const int32_t pitch = block->pitch;
    const int32x4_t starts = vmulq_n_s32(vldrwq_s32(block->totals), params->rhs_offset);
    const int8_t *rows[ROWS];
    for (int32_t i = 0; i < ROWS; i++)
    {
        rows[i] = block->scores + i * pitch;
    }
    for (int32_t first = 0; first < width; first += 4)
    {
        const int32_t count = width - first < 4 ? width - first : 4;
        int32x4_t sums[4];
        for (int32_t j = 0; j < 4; j++)
        {
            const int32_t c = first + (j < count ? j : 0);
            int32_t acc[ROWS];
            sparsec_multiply(block->columns + c * pitch, rows, pitch, acc);
            sums[j] = vaddq_n_s32(vaddq_s32(vldrwq_s32(acc), starts), block->sums[c]);
        }
        int8_t bytes[4 * ROWS];
        vstrbq_s8(bytes, sparsec_sums_to_bytes(sums, params));
        for (int32_t i = 0; i < block->rows; i++)
        {
            int8_t *const to = output + i * output_row + first;
            if (count == 4)
            {
                memcpy(to, bytes + 4 * i, 4);
            }
            else
            {
                memcpy(to, bytes + 4 * i, (size_t)count);
            }
        }
    }
}

/* All queries of a head. `mask` is that of the first one, or NULL. */
static void attend(const sparsec_attention_params *const params,
                   const sparsec_attention_sizes *const sizes,
                   const int8_t *query,
                   const int32_t query_row,
                   const int8_t *const key,
                   const int32_t key_row,
                   const int8_t *const value,
                   const int32_t value_row,
                   const int8_t *mask,
                   const int32_t mask_row,
                   const int32_t *const exponentials,
                   int8_t *const scratch,
                   int8_t *output,
                   const int32_t output_row)
{
    const int32_t pitch = (sizes->keys + LANES - 1) / LANES * LANES;
    block_t block = {.params = params,
                     .sizes = sizes,
                     .exponentials = exponentials,
                     .mask_row = mask_row,
                     .pitch = pitch,
                     .scores = scratch,
                     .columns = scratch + ROWS * pitch,
                     .sums = (int32_t *)(void *)(scratch + (ROWS + sizes->value_width) * pitch)};
    transpose(&block, value, value_row);
    for (int32_t done = 0; done < sizes->queries; done += ROWS)
    {
        block.mask = mask;
        block.rows = sizes->queries - done < ROWS ? sizes->queries - done : ROWS;
        compute_scores(&block, query, query_row, key, key_row);
        for (int32_t i = 0; i < ROWS; i++)
        {
            const int32_t row = i < block.rows ? i : 0;
            block.totals[i] = softmax(&block,
                                      mask == NULL ? NULL : mask + row * mask_row,
                                      sparsec_keys_seen(params, sizes, done + row),
                                      block.scores + i * pitch);
        }
        combine(&block, output, output_row);
        query += ROWS * query_row;
        mask = mask == NULL ? NULL : mask + ROWS * mask_row;
        output += ROWS * output_row;
    }
}

#endif

#endif
