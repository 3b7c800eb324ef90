/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

#include <string.h>

static inline int32_t nearest_row(const int32_t index, const int32_t rows)
{
    const int32_t least = index < 0 ? 0 : index;
    return least < rows ? least : rows - 1;
}

void sparsec_embedding_s8(const int32_t rows,
                          const int32_t row_bytes,
                          const int8_t *table,
                          const int32_t *indices,
                          const int32_t count,
                          int8_t *output)
{
    for (int32_t i = 0; i < count; i++)
    {
        memcpy(output, table + nearest_row(indices[i], rows) * row_bytes, (size_t)row_bytes);
        output += row_bytes;
    }
}
