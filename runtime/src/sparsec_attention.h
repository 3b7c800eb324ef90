/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What attention is on every core.
 */

#ifndef SPARSEC_ATTENTION_H
#define SPARSEC_ATTENTION_H

#include "sparsec_matmul.h"
#include "sparsec_softmax_row.h"

#include <string.h>

/* A key that is not seen. */
#define SPARSEC_HIDDEN (-128)

/* How many of the first keys a query may see. */
static inline int32_t sparsec_keys_seen(const sparsec_attention_params *const params,
                                        const sparsec_attention_sizes *const sizes,
                                        const int32_t query)
{
    const int32_t seen = sizes->keys - (params->causal ? sizes->queries - 1 - query : 0);
    return seen > 0 ? seen : 0;
}

static inline bool sparsec_is_seen(const int8_t *const mask, const int32_t key)
{
    return mask == NULL || mask[key] != SPARSEC_HIDDEN;
}

/* Of the scores of a row the probabilities, maybe in their place. `mask` is the row's, or NULL. */
static inline void sparsec_softmax_of_seen(const int32_t *const exponentials,
                                           const int8_t *const mask,
                                           const int32_t keys,
                                           const int8_t *const scores,
                                           int8_t *const output)
{
    int32_t largest = -128;
    for (int32_t j = 0; j < keys; j++)
    {
        largest = scores[j] > largest && sparsec_is_seen(mask, j) ? scores[j] : largest;
    }
    int32_t sum = 0;
    for (int32_t j = 0; j < keys && sum < SPARSEC_LARGE_SUM; j++)
    {
        if (sparsec_is_seen(mask, j))
        {
            const uint32_t exponential = (uint32_t)exponentials[largest - scores[j]];
            sum += (int32_t)((exponential + (1 << (SPARSEC_SUM_BITS - 1))) >> SPARSEC_SUM_BITS);
        }
    }
    if (sum == 0 || sum >= SPARSEC_LARGE_SUM)
    {
        memset(output, -128, (size_t)keys);
        return;
    }
    const sparsec_share share = sparsec_share_of(sum);
    for (int32_t j = 0; j < keys; j++)
    {
        const int32_t exponential = sparsec_is_seen(mask, j) ? exponentials[largest - scores[j]] : 0;
        output[j] = (int8_t)(sparsec_probability(exponential, share) - 128);
    }
}

#endif
