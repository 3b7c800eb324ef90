/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the fully connected kernels that compute four rows at a time share.
 */

#ifndef SPARSEC_FOUR_ROWS_H
#define SPARSEC_FOUR_ROWS_H

#include "sparsec_sparse_rows.h"

#define ROWS 4

/* Where a kernel is in its two arrays. */
typedef struct
{
    const int32_t *row;
    const uint8_t *at;
} place_t;

#ifdef SPARSEC_DSP_ASSEMBLY

    /* A row's accumulator to its byte, as in sparsec_row_saturated. */
    #define STORE(ACC, NUMBERS, OUTPUT)                              \
        "ldrd %[counts], %[multiplier], " NUMBERS "\n\t"             \
        "lsl %[result], %[centre], %[counts]\n\t"                    \
        "lsl %[" ACC "], %[" ACC "], #1\n\t"                         \
        "add %[result], %[result], %[" ACC "], asr #31\n\t"          \
        "smmlar %[result], %[" ACC "], %[multiplier], %[result]\n\t" \
        "asr %[result], %[result], %[counts]\n\t"                    \
        "ssat %[result], #8, %[result], asr #1\n\t"                  \
        "strb %[result], " OUTPUT "\n\t"

/* The rows that lie before `row`. */
SPARSEC_ALWAYS_INLINE int8_t *store_saturated(int32_t *acc, const int32_t *row, const int32_t centre, int8_t *output)
{
    int32_t counts, multiplier, result;
    __ASM volatile(STORE("acc0", "[%[row], #-44]", "[%[output]], #4")
                       STORE("acc1", "[%[row], #-32]", "[%[output], #-3]")
                           STORE("acc2", "[%[row], #-20]", "[%[output], #-2]")
                               STORE("acc3", "[%[row], #-8]", "[%[output], #-1]") : [acc0] "+r"(acc[0]),
                   [acc1] "+r"(acc[1]),
                   [acc2] "+r"(acc[2]),
                   [acc3] "+r"(acc[3]),
                   [output] "+r"(output),
                   [counts] "=&r"(counts),
                   [multiplier] "=&r"(multiplier),
                   [result] "=&r"(result) : [row] "r"(row),
                   [centre] "r"(centre) : "cc",
                   "memory");
    return output;
}

#endif

#endif
