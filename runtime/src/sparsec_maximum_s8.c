/*
 * SPDX-License-Identifier: Apache-2.0
 */

#include "sparsec.h"

void sparsec_maximum_s8(const int32_t input_1_size,
                        const int8_t *input_1,
                        const int32_t input_2_size,
                        const int8_t *input_2,
                        const int32_t size,
                        int8_t *output)
{
    int32_t i_1 = 0;
    int32_t i_2 = 0;
    for (int32_t i = 0; i < size; i++)
    {
        output[i] = input_1[i_1] > input_2[i_2] ? input_1[i_1] : input_2[i_2];
        i_1 = i_1 + 1 == input_1_size ? 0 : i_1 + 1;
        i_2 = i_2 + 1 == input_2_size ? 0 : i_2 + 1;
    }
}
