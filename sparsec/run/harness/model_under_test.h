/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Which model main.c runs: defined by model_under_test.c, which is written for each build.
 */

#ifndef MODEL_UNDER_TEST_H
#define MODEL_UNDER_TEST_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of model_memory. */
typedef struct
{
    size_t offset;
    size_t bytes;
} buffer;

/* One array, so that the guards touch the memories: the first byte before and after each is already a canary. */
extern uint8_t model_memory[];
extern const size_t model_memory_bytes;

/* The memories, by offset; all between is guarded. */
extern const buffer model_blocks[];
extern const int model_block_count;
extern const buffer model_inputs[];
extern const int model_input_count;
extern const buffer model_outputs[];
extern const int model_output_count;

/* Calls the model with its memories. */
int model_entry(int8_t *memory);
/* Calls a function that returns, in the same way. */
int model_empty(int8_t *memory);

#endif
