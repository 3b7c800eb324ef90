/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

int32_t sparsec_attention_s8_get_buffer_size(const sparsec_attention_sizes *sizes)
{
    /* Two rows of halves, an even number of each, of queries and then of probabilities, and two rows of scores. */
    const int32_t longest = sizes->width > sizes->keys ? sizes->width : sizes->keys;
    return 4 * ((longest + 1) / 2 * 2) + 2 * ((sizes->keys + 3) / 4 * 4);
}
