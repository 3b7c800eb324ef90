/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"
#include "sparsec_matmul.h"

int32_t sparsec_batch_matmul_s8_get_buffer_size(const sparsec_matmul_sizes *sizes)
{
#if defined(SPARSEC_MATMUL_DSP)
    return sparsec_halves_bytes(sizes->depth);
#else
    (void)sizes;
    return 0;
#endif
}
