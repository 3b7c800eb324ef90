/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

int32_t sparsec_batch_matmul_s8_get_buffer_size(const sparsec_matmul_sizes *sizes)
{
    /* Two rows of halves, an even number of each. */
    return 4 * ((sizes->depth + 1) / 2 * 2);
}
