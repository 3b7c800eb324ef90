/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The harness on the machine the compiler runs on: the C library's files, no timer.
 */

#include "platform.h"

#include <stdio.h>

static FILE *inputs_file;
static FILE *outputs_file;
static FILE *ticks_file;

bool platform_open(void)
{
    inputs_file = fopen("inputs.bin", "rb");
    outputs_file = fopen("outputs.bin", "wb");
    ticks_file = fopen("ticks.bin", "wb");
    return inputs_file != NULL && outputs_file != NULL && ticks_file != NULL;
}

bool platform_read_inputs(void *destination, size_t bytes)
{
    return fread(destination, 1, bytes, inputs_file) == bytes;
}

bool platform_write_outputs(const void *source, size_t bytes)
{
    return fwrite(source, 1, bytes, outputs_file) == bytes;
}

bool platform_write_ticks(uint64_t ticks)
{
    return fwrite(&ticks, sizeof(ticks), 1, ticks_file) == 1;
}

bool platform_close(void)
{
    const bool outputs_written = fclose(outputs_file) == 0;
    const bool ticks_written = fclose(ticks_file) == 0;
    return fclose(inputs_file) == 0 && outputs_written && ticks_written;
}

void platform_print(const char *text)
{
    (void)fputs(text, stderr);
}

uint64_t platform_time(entry_function *entry, int8_t *memory, int *status)
{
    *status = entry(memory);
    return 0;
}

int platform_return()
{
    return 0;
}
