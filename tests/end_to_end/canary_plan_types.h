/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What canaries.c is told by canary_plan.c, which canaries.py writes for a network.
 */

#ifndef CANARY_PLAN_TYPES_H
#define CANARY_PLAN_TYPES_H

#include <stdint.h>

/* Bytes of one memory; a list ends with an empty one. */
typedef struct
{
    int32_t memory;
    int32_t begin;
    int32_t end;
} canary_span;

typedef struct
{
    const char *name;
    const canary_span *dead;
    const canary_span *kept;
} canary_call;

/* The bytes of a memory, and room for a copy of it and its guards. */
typedef struct
{
    int32_t bytes;
    int8_t *copy;
} canary_memory;

extern const canary_call canary_calls[];
extern const canary_memory canary_memories[];
extern const int32_t canary_memory_count;
/* Bytes on both sides of each memory that are watched too. */
extern const int32_t canary_guard;

#endif
