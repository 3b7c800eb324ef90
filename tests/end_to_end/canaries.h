/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Included by a generated network in front of all else, so that each of its calls is watched by canaries.c.
 *
 * canary_plan.h, written by canaries.py, defines CANARY_MEMORIES: the arenas, as the network calls them.
 */

#ifndef CANARIES_H
#define CANARIES_H

#include "canary_plan.h"

#include <stdbool.h>
#include <stdint.h>

/* Paints all bytes that call number `index` must not need. */
void canaries_before(int index, int8_t *const *memories);

/* Whether the call changed only bytes that it may change; prints the first of the others. */
bool canaries_intact(int index, int8_t *const *memories);

#define SPARSEC_BEFORE_LAYER(index) canaries_before(index, (int8_t *[]){CANARY_MEMORIES})
#define SPARSEC_AFTER_LAYER(index)                              \
    if (!canaries_intact(index, (int8_t *[]){CANARY_MEMORIES})) \
    return 1

#endif
