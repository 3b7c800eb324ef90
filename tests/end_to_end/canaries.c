/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Dead bytes are painted before each call, so that a result that depends on one differs; behind it, all bytes that the
 * call had no right to change are compared with a copy.
 */

#include "canaries.h"

#include <stddef.h>
#include <string.h>

/* Bytes of one memory; a list ends with an empty one. */
typedef struct
{
    int32_t memory;
    int32_t begin;
    int32_t end;
} span;

typedef struct
{
    const char *name;
    const span *dead;
    const span *kept;
} watched_call;

static const watched_call calls[] = CANARY_CALLS;
static const int32_t bytes[] = CANARY_BYTES;

#define MEMORIES (int32_t)(sizeof(bytes) / sizeof(bytes[0]))

static int8_t copies[sizeof(bytes) / sizeof(bytes[0])][CANARY_GUARD + CANARY_LARGEST + CANARY_GUARD];
static uint32_t paintings;

/* Of the harness. */
void platform_print(const char *text);

static void print_number(int32_t number)
{
    char text[12] = "";
    char *digit = text + sizeof(text) - 1;
    uint32_t rest = number < 0 ? 0U - (uint32_t)number : (uint32_t)number;

    do
    {
        *--digit = (char)('0' + rest % 10);
        rest /= 10;
    }
    while (rest != 0);
    if (number < 0)
    {
        *--digit = '-';
    }
    platform_print(digit);
}

void canaries_before(int index, int8_t *const *memories)
{
    paintings++;
    for (const span *dead = calls[index].dead; dead->begin < dead->end; dead++)
    {
        for (int32_t i = dead->begin; i < dead->end; i++)
        {
            /* Never the same for a byte twice in a row, and not for its neighbours. */
            memories[dead->memory][i] = (int8_t)(uint8_t)((uint32_t)i * 37 + paintings * 89);
        }
    }
    for (int32_t memory = 0; memory < MEMORIES; memory++)
    {
        memcpy(copies[memory], memories[memory] - CANARY_GUARD, (size_t)bytes[memory] + 2 * CANARY_GUARD);
    }
}

bool canaries_intact(int index, int8_t *const *memories)
{
    for (const span *kept = calls[index].kept; kept->begin < kept->end; kept++)
    {
        for (int32_t i = kept->begin; i < kept->end; i++)
        {
            if (memories[kept->memory][i] != copies[kept->memory][CANARY_GUARD + i])
            {
                platform_print(calls[index].name);
                platform_print(" changed a byte that is not its own: ");
                print_number(i);
                platform_print(" of memory ");
                print_number(kept->memory);
                platform_print("\n");
                return false;
            }
        }
    }
    return true;
}
