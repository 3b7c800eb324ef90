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

#endif
