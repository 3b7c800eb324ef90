/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Activations in channel-major order: what lies between the rows of their planes.
 */

#ifndef SPARSEC_PLANES_H
#define SPARSEC_PLANES_H

#include "sparsec.h"
#include "sparsec_arch.h"

static inline void sparsec_fill(int8_t *place, const int8_t value, int32_t count)
{
#if defined(ARM_MATH_MVEI)
    for (; count > 0; count -= 16)
    {
        vstrbq_p_s8(place, vdupq_n_s8(value), vctp8q((uint32_t)count));
        place += 16;
    }
#else
    memset(place, value, (size_t)count);
#endif
}

/* Whatever is no element gets the value that padding has. Without gaps nobody reads it. */
static inline void sparsec_fill_gaps(const cmsis_nn_dims *dims, const sparsec_planes *planes, int8_t *activations)
{
    /* Copies, because bytes that are written could be the structs. */
    const int32_t height = dims->h;
    const int32_t pitch = planes->pitch;
    const int32_t gap = pitch - dims->w;
    if (planes->first == 0 && gap == 0)
    {
        return;
    }
    const int8_t fill = (int8_t)planes->fill;
    sparsec_fill(activations, fill, planes->first);
    int8_t *plane = activations + planes->first;
    const int32_t last = (dims->h - 1) * planes->pitch + dims->w;
    for (int32_t c = 0; c < dims->c; c++)
    {
        int8_t *end = plane + dims->w;
        if (gap == 1)
        {
            for (int32_t y = 1; y < height; y++)
            {
                *end = fill;
                end += pitch;
            }
        }
        else
        {
            for (int32_t y = 1; y < height; y++)
            {
                sparsec_fill(end, fill, gap);
                end += pitch;
            }
        }
        sparsec_fill(plane + last, fill, planes->plane - last);
        plane += planes->plane;
    }
    sparsec_fill(plane, fill, SPARSEC_PLANES_TAIL);
}

#endif
