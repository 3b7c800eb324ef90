/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec_attention.h"
#include "sparsec_attention_dsp.h"
#include "sparsec_attention_mve.h"

#if !defined(SPARSEC_ATTENTION)

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
    for (int32_t i = 0; i < sizes->queries; i++)
    {
        const int32_t seen = sparsec_keys_seen(params, sizes, i);
        for (int32_t j = 0; j < seen; j++)
        {
            const int32_t sum = sparsec_dot(query, 1, key + j * key_row, 1, sizes->width, &params->scores);
            const int32_t added = mask == NULL ? 0 : params->mask_factor * mask[j];
            scratch[j] = sparsec_matmul_output(sum + added, &params->scores);
        }
        sparsec_softmax_of_seen(exponentials, mask, seen, scratch, scratch);
        for (int32_t c = 0; c < sizes->value_width; c++)
        {
            const int32_t sum = sparsec_dot(scratch, 1, value + c, value_row, seen, &params->values);
            output[c] = sparsec_matmul_output(sum, &params->values);
        }
        query += query_row;
        mask = mask == NULL ? NULL : mask + mask_row;
        output += output_row;
    }
}

#endif

void sparsec_attention_s8(const cmsis_nn_context *ctx,
                          const sparsec_attention_params *params,
                          const sparsec_attention_sizes *sizes,
                          const sparsec_matrices *query_matrices,
                          const int8_t *query,
                          const sparsec_matrices *key_matrices,
                          const int8_t *key,
                          const sparsec_matrices *value_matrices,
                          const int8_t *value,
                          const sparsec_matrices *mask_matrices,
                          const int8_t *mask,
                          const int32_t *exponentials,
                          const sparsec_matrices *output_matrices,
                          int8_t *output)
{
    for (int32_t outer = 0; outer < sizes->outer; outer++)
    {
        for (int32_t head = 0; head < sizes->heads; head++)
        {
            attend(params,
                   sizes,
                   query + outer * query_matrices->outer + head * query_matrices->head,
                   query_matrices->row,
                   key + outer * key_matrices->outer + head * key_matrices->head,
                   key_matrices->row,
                   value + outer * value_matrices->outer + head * value_matrices->head,
                   value_matrices->row,
                   mask == NULL ? NULL : mask + outer * mask_matrices->outer + head * mask_matrices->head,
                   mask_matrices->row,
                   exponentials,
                   ctx->buf,
                   output + outer * output_matrices->outer + head * output_matrices->head,
                   output_matrices->row);
        }
    }
}
