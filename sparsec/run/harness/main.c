/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Runs a model once per record of inputs.bin in a poisoned, guarded arena.
 *
 * inputs.bin:  uint32 count, then per inference the bytes of every input in turn.
 * outputs.bin: per inference the bytes of every output in turn.
 * ticks.bin:   uint64 calibration, then one uint64 per inference.
 *
 * model_under_test.h is written next to the build; it includes the model's header and defines MODEL_ENTRY,
 * MODEL_ARENA_BYTES, MODEL_INPUTS and MODEL_OUTPUTS (lists of {offset, bytes}).
 */

#include "model_under_test.h"
#include "platform.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
    #include <sanitizer/asan_interface.h>
    #define FORBID(address, bytes) ASAN_POISON_MEMORY_REGION(address, bytes)
    #define ALLOW(address, bytes) ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#else
    #define FORBID(address, bytes) ((void)0)
    #define ALLOW(address, bytes) ((void)0)
#endif

#define GUARD_BYTES 64
#define GUARD_VALUE 0xC3

typedef struct
{
    size_t offset;
    size_t bytes;
} buffer;

static const buffer inputs[] = MODEL_INPUTS;
static const buffer outputs[] = MODEL_OUTPUTS;

/* One array, so that the guards touch the arena: the first byte before and after it is already a canary. */
static _Alignas(16) uint8_t guarded[GUARD_BYTES + MODEL_ARENA_BYTES + GUARD_BYTES];
static uint8_t *const arena = guarded + GUARD_BYTES;

static void print_number(long number)
{
    char text[24];
    char *digit = text + sizeof(text) - 1;
    unsigned long rest = number < 0 ? 0UL - (unsigned long)number : (unsigned long)number;

    *digit = '\0';
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

static void print_problem(uint32_t inference, const char *problem, long number)
{
    platform_print("inference ");
    print_number((long)inference);
    platform_print(": ");
    platform_print(problem);
    print_number(number);
    platform_print("\n");
}

/* Fills guards and arena; two poisons in turn, so that a result that depends on stale bytes differs. */
static void poison(uint32_t inference)
{
    memset(guarded, GUARD_VALUE, sizeof(guarded));
    memset(arena, inference % 2 == 0 ? 0xA5 : 0x5A, MODEL_ARENA_BYTES);
}

static bool guards_intact(uint32_t inference)
{
    for (long i = 0; i < GUARD_BYTES; i++)
    {
        if (guarded[i] != GUARD_VALUE)
        {
            print_problem(inference, "wrote outside the arena, at offset ", i - GUARD_BYTES);
            return false;
        }
        if (arena[MODEL_ARENA_BYTES + i] != GUARD_VALUE)
        {
            print_problem(inference, "wrote outside the arena, at offset ", MODEL_ARENA_BYTES + i);
            return false;
        }
    }
    return true;
}

static int run_once(uint32_t inference)
{
    int status = 0;

    poison(inference);
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
    {
        if (!platform_read_inputs(arena + inputs[i].offset, inputs[i].bytes))
        {
            return EXIT_CODE_IO;
        }
    }

    FORBID(guarded, GUARD_BYTES);
    FORBID(arena + MODEL_ARENA_BYTES, GUARD_BYTES);
    const uint64_t ticks = platform_time(MODEL_ENTRY, (int8_t *)arena, &status);
    ALLOW(guarded, sizeof(guarded));

    if (!guards_intact(inference))
    {
        return EXIT_CODE_CANARY;
    }
    if (status != 0)
    {
        print_problem(inference, "the model returned status ", status);
        return EXIT_CODE_STATUS;
    }
    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
    {
        if (!platform_write_outputs(arena + outputs[i].offset, outputs[i].bytes))
        {
            return EXIT_CODE_IO;
        }
    }
    return platform_write_ticks(ticks) ? EXIT_CODE_OK : EXIT_CODE_IO;
}

int main(void)
{
    uint32_t count = 0;

    if (!platform_open() || !platform_read_inputs(&count, sizeof(count)) || !platform_write_ticks(platform_calibrate()))
    {
        return EXIT_CODE_IO;
    }
    for (uint32_t inference = 0; inference < count; inference++)
    {
        const int code = run_once(inference);
        if (code != EXIT_CODE_OK)
        {
            return code;
        }
    }
    return platform_close() ? EXIT_CODE_OK : EXIT_CODE_IO;
}
