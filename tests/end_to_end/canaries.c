/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Dead bytes are painted before each call, so that a result that depends on one differs; behind it, all bytes that the
 * call had no right to change are compared with a copy.
 */

#include "canary_plan_types.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

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

/* As canaries.h declares them, which is for one network. */
void canaries_before(int index, int8_t *const *memories);
bool canaries_intact(int index, int8_t *const *memories);

void canaries_before(int index, int8_t *const *memories)
{
    paintings++;
    for (const canary_span *dead = canary_calls[index].dead; dead->begin < dead->end; dead++)
    {
        for (int32_t i = dead->begin; i < dead->end; i++)
        {
            /* Never the same for a byte twice in a row, and not for its neighbours. */
            memories[dead->memory][i] = (int8_t)(uint8_t)((uint32_t)i * 37 + paintings * 89);
        }
    }
    for (int32_t i = 0; i < canary_memory_count; i++)
    {
        const canary_memory *memory = &canary_memories[i];
        memcpy(memory->copy, memories[i] - canary_guard, (size_t)(memory->bytes + 2 * canary_guard));
    }
}

bool canaries_intact(int index, int8_t *const *memories)
{
    for (const canary_span *kept = canary_calls[index].kept; kept->begin < kept->end; kept++)
    {
        for (int32_t i = kept->begin; i < kept->end; i++)
        {
            if (memories[kept->memory][i] != canary_memories[kept->memory].copy[canary_guard + i])
            {
                platform_print(canary_calls[index].name);
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
