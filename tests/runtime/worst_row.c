/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A row of a fully connected layer in the worst order that is allowed: all of the output is written, with bytes far from
 * those that were there, before any of the input is read.
 *
 * The sources under test are compiled with arm_nn_vec_mat_mult_t_s8 defined as worst_vec_mat_mult_t_s8.
 */

#undef arm_nn_vec_mat_mult_t_s8

#include "arm_nnsupportfunctions.h"

#include <stdlib.h>
#include <string.h>

arm_cmsis_nn_status worst_vec_mat_mult_t_s8(const int8_t *lhs,
                                            const int8_t *rhs,
                                            const int32_t *kernel_sum,
                                            const int32_t *bias,
                                            int8_t *dst,
                                            const int32_t lhs_offset,
                                            const int32_t dst_offset,
                                            const int32_t dst_multiplier,
                                            const int32_t dst_shift,
                                            const int32_t rhs_cols,
                                            const int32_t rhs_rows,
                                            const int32_t activation_min,
                                            const int32_t activation_max,
                                            const int32_t address_offset)
{
    int8_t *const real = malloc((size_t)rhs_rows);
    for (int32_t i = 0; i < rhs_rows; i++)
    {
        dst[i] = dst[i] < 0 ? 127 : -128;
    }
    const arm_cmsis_nn_status status = arm_nn_vec_mat_mult_t_s8(lhs,
                                                                rhs,
                                                                kernel_sum,
                                                                bias,
                                                                real,
                                                                lhs_offset,
                                                                dst_offset,
                                                                dst_multiplier,
                                                                dst_shift,
                                                                rhs_cols,
                                                                rhs_rows,
                                                                activation_min,
                                                                activation_max,
                                                                address_offset);
    memcpy(dst, real, (size_t)rhs_rows);
    free(real);
    return status;
}
