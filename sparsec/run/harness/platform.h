/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the harness asks of the machine it runs on: three files, a message, a timer, an exit code.
 * cortex_m.c answers by semihosting and a board timer, host.c by the C library.
 */

#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes, read by execute.py. */
enum
{
    EXIT_CODE_OK = 0,
    EXIT_CODE_IO = 10,
    EXIT_CODE_CANARY = 11,
    EXIT_CODE_STATUS = 12,
    EXIT_CODE_FAULT = 13,
};

typedef int entry_function(int8_t *memory);

/* Opens inputs.bin for reading, outputs.bin and ticks.bin for writing. */
bool platform_open(void);
bool platform_read_inputs(void *destination, size_t bytes);
bool platform_write_outputs(const void *source, size_t bytes);
bool platform_write_ticks(uint64_t ticks);
/* Closes all three files, false when data was lost. */
bool platform_close(void);

void platform_print(const char *text);

/* Calls entry(memory), stores what it returns in *status and returns the timer ticks it took; 0 without a timer. */
uint64_t platform_time(entry_function *entry, int8_t *memory, int *status);

/* The timer of a board, from when it was started on: it wraps, and runs through what is called. */
void platform_start_timer(void);
uint32_t platform_timer(void);

/* Returns, by one instruction where ticks are counted; may be called with any pointers. */
int platform_return();

#endif
