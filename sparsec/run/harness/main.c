/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Runs a model once per record of inputs.bin in poisoned, guarded memory.
 *
 * inputs.bin:  uint32 count, then per inference the bytes of every input in turn.
 * outputs.bin: per inference the bytes of every output in turn.
 * ticks.bin:   uint64 calibration, then one uint64 per inference.
 *
 * The model, its memory and where its inputs and outputs lie are those of model_under_test.h.
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

#define GUARD_VALUE 0xC3

/* Set by a model that was compiled to tell which layer runs. */
int the_layer = -1;

/* The guard behind block `i`, or before the first one if it is -1. */
static buffer guard_behind(int i)
{
    const size_t begin = i < 0 ? 0 : model_blocks[i].offset + model_blocks[i].bytes;
    const size_t end = i + 1 < model_block_count ? model_blocks[i + 1].offset : model_memory_bytes;
    return (buffer){begin, end - begin};
}

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

static void print_inference(uint32_t inference)
{
    platform_print("inference ");
    print_number((long)inference);
    platform_print(": ");
}

static void print_problem(uint32_t inference, const char *problem, long number)
{
    print_inference(inference);
    platform_print(problem);
    print_number(number);
    platform_print("\n");
}

/* Fills guards and memories; two poisons in turn, so that a result that depends on stale bytes differs. */
static void poison(uint32_t inference)
{
    memset(model_memory, GUARD_VALUE, model_memory_bytes);
    for (int i = 0; i < model_block_count; i++)
    {
        memset(model_memory + model_blocks[i].offset, inference % 2 == 0 ? 0xA5 : 0x5A, model_blocks[i].bytes);
    }
}

static void forbid_guards(void)
{
    for (int i = -1; i < model_block_count; i++)
    {
        FORBID(model_memory + guard_behind(i).offset, guard_behind(i).bytes);
    }
}

static bool guards_intact(uint32_t inference)
{
    for (int i = -1; i < model_block_count; i++)
    {
        const buffer guard = guard_behind(i);
        const size_t memory = model_blocks[i < 0 ? 0 : i].offset;
        for (size_t byte = guard.offset; byte < guard.offset + guard.bytes; byte++)
        {
            if (model_memory[byte] != GUARD_VALUE)
            {
                print_problem(inference, "wrote outside the arena, at offset ", (long)byte - (long)memory);
                return false;
            }
        }
    }
    return true;
}

static int run_once(uint32_t inference)
{
    int status = 0;

    poison(inference);
    for (int i = 0; i < model_input_count; i++)
    {
        if (!platform_read_inputs(model_memory + model_inputs[i].offset, model_inputs[i].bytes))
        {
            return EXIT_CODE_IO;
        }
    }

    forbid_guards();
    const uint64_t ticks = platform_time(model_entry, (int8_t *)model_memory, &status);
    ALLOW(model_memory, model_memory_bytes);

    if (!guards_intact(inference))
    {
        return EXIT_CODE_CANARY;
    }
    if (status != 0)
    {
        print_inference(inference);
        if (the_layer < 0)
        {
            platform_print("the model");
        }
        else
        {
            platform_print("layer ");
            print_number(the_layer);
        }
        platform_print(" returned status ");
        print_number(status);
        platform_print("\n");
        return EXIT_CODE_STATUS;
    }
    for (int i = 0; i < model_output_count; i++)
    {
        if (!platform_write_outputs(model_memory + model_outputs[i].offset, model_outputs[i].bytes))
        {
            return EXIT_CODE_IO;
        }
    }
    return platform_write_ticks(ticks) ? EXIT_CODE_OK : EXIT_CODE_IO;
}

int main(void)
{
    uint32_t count = 0;
    int status = 0;

    if (!platform_open() || !platform_read_inputs(&count, sizeof(count)) ||
        !platform_write_ticks(platform_time(model_empty, (int8_t *)model_memory, &status)))
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
