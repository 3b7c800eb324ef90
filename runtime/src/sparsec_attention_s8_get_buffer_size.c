/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_matmul.h"

int32_t sparsec_attention_s8_get_buffer_size(const sparsec_attention_sizes *sizes)
{
#if defined(SPARSEC_MATMUL_DSP)
    /* Scores, then halves of queries, the place of which those of the probabilities take. */
    const int32_t queries = sparsec_halves_bytes(sizes->width);
    const int32_t probabilities = sparsec_halves_bytes(sizes->keys);
    return SPARSEC_ROWS * sizes->keys + (queries > probabilities ? queries : probabilities);
#elif defined(ARM_MATH_MVEI)
    /* Scores of four queries, the values transposed, and a sum of each of their columns. */
    return (4 + sizes->value_width) * ((sizes->keys + 15) / 16 * 16) + 4 * sizes->value_width;
#else
    return sizes->keys;
#endif
}
