/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Copies of bytes one behind the other: of those at regular distances, as slices and transposes want them, and of those
 * at places that are listed.
 */

#ifndef SPARSEC_COPY_H
#define SPARSEC_COPY_H

#include "sparsec.h"

#include <string.h>

/** Runs of so many bytes are worth a call of memcpy. */
#define SPARSEC_LONG_RUN 8

/** Of shorter ones than this all first bytes are copied, then all second ones. */
#define SPARSEC_SHORT_RUN 4

/** Copies `count` bytes `stride` apart to places `step` apart. */
static inline void
sparsec_copy_run(const int8_t *source, const int32_t stride, int32_t count, int8_t *output, int32_t step)
{
    for (; count >= 4; count -= 4)
    {
        output[0] = source[0];
        output[step] = source[stride];
        output[2 * step] = source[2 * stride];
        output[3 * step] = source[3 * stride];
        source += 4 * stride;
        output += 4 * step;
    }
    for (; count > 0; count--)
    {
        *output = *source;
        source += stride;
        output += step;
    }
}

/** `rows` runs of `count` bytes; the rows `distance` apart. */
static inline void sparsec_copy_rows(const int8_t *source,
                                     const int32_t distance,
                                     const int32_t rows,
                                     const int32_t stride,
                                     const int32_t count,
                                     int8_t *output)
{
    if (count < SPARSEC_SHORT_RUN && count < rows)
    {
        for (int32_t i = 0; i < count; i++)
        {
            sparsec_copy_run(source + i * stride, distance, rows, output + i, count);
        }
        return;
    }
    if (stride == 1 && count >= SPARSEC_LONG_RUN)
    {
        for (int32_t row = 0; row < rows; row++)
        {
            memcpy(output, source, (size_t)count);
            output += count;
            source += distance;
        }
        return;
    }
    for (int32_t row = 0; row < rows; row++)
    {
        sparsec_copy_run(source, stride, count, output, 1);
        output += count;
        source += distance;
    }
}

/** Six loops over what is copied, the two outer ones over tiles. */
static inline void sparsec_strided_copy(const cmsis_nn_tile *outer_strides,
                                        const cmsis_nn_dims *strides,
                                        const int8_t *input,
                                        const cmsis_nn_tile *outer_dims,
                                        const cmsis_nn_dims *dims,
                                        int8_t *output)
{
    for (int32_t y = 0; y < outer_dims->h; y++)
    {
        for (int32_t x = 0; x < outer_dims->w; x++)
        {
            const int8_t *block = input + y * outer_strides->h + x * outer_strides->w;
            for (int32_t n = 0; n < dims->n; n++)
            {
                for (int32_t h = 0; h < dims->h; h++)
                {
                    const int8_t *const source = block + h * strides->h;
                    sparsec_copy_rows(source, strides->w, dims->w, strides->c, dims->c, output);
                    output += dims->w * dims->c;
                }
                block += strides->n;
            }
        }
    }
}

/** For each index `run` bytes, at so many runs from `input` on. Gives the place behind what it wrote. */
static inline int8_t *sparsec_copy_picked(const int8_t *input,
                                          const int32_t run,
                                          const uint16_t *indices,
                                          const int32_t count,
                                          int8_t *output)
{
    if (run == 1)
    {
        for (int32_t i = 0; i < count; i++)
        {
            *output++ = input[indices[i]];
        }
        return output;
    }
    if (run >= SPARSEC_LONG_RUN)
    {
        for (int32_t i = 0; i < count; i++)
        {
            memcpy(output, input + indices[i] * run, (size_t)run);
            output += run;
        }
        return output;
    }
    for (int32_t i = 0; i < count; i++)
    {
        sparsec_copy_run(input + indices[i] * run, 1, run, output, 1);
        output += run;
    }
    return output;
}

#endif
