/*
 * SPDX-License-Identifier: Apache-2.0
 */

#ifndef SPARSEC_CLAMP_BYTES_H
#define SPARSEC_CLAMP_BYTES_H

#include "sparsec_packed_rows.h"

#if defined(PACKED_ASSEMBLY)

/* Clamp an output in place, four bytes at once. */
static inline void sparsec_clamp_bytes(int8_t *bytes, int32_t count, const cmsis_nn_activation *activation)
{
    if (activation->min == INT8_MIN && activation->max == INT8_MAX)
    {
        return;
    }
    const uint32_t low = (uint32_t)(uint8_t)activation->min * 0x01010101u;
    const uint32_t high = (uint32_t)(uint8_t)activation->max * 0x01010101u;
    for (; count >= 4; count -= 4)
    {
        uint32_t word;
        uint32_t difference;
        memcpy(&word, bytes, sizeof(word));
        __ASM("ssub8 %1, %0, %2\n\tsel %0, %0, %2\n\tssub8 %1, %3, %0\n\tsel %0, %0, %3" : "+&r"(word),
              "=&r"(difference) : "r"(low),
              "r"(high));
        memcpy(bytes, &word, sizeof(word));
        bytes += 4;
    }
    for (; count > 0; count--)
    {
        *bytes = sparsec_clamp(*bytes, activation);
        bytes++;
    }
}

#endif

#endif
