/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A test of a network on the device: samples that the program carries, and what they must give.
 */

#ifndef SPARSEC_SELF_TEST_H
#define SPARSEC_SELF_TEST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A network and its samples: of each the bytes of all inputs one behind the other, and so those of the outputs. */
typedef struct
{
    const char *name;
    int32_t samples;
    int32_t input_bytes;
    int32_t output_bytes;
    const int8_t *inputs;
    const int8_t *expected;
    /* The class of each sample, and how many the first output has; NULL where it has none. */
    const uint16_t *labels;
    int32_t classes;
    /* Of each layer the number of its kind, and the names of the kinds. */
    int32_t layers;
    const uint8_t *kind_of_layer;
    int32_t kinds;
    const char *const *kind_names;
    /* Runs the network; gives its status. `outputs` has room for output_bytes. */
    int (*run)(const int8_t *inputs, int8_t *outputs);
    int8_t *outputs;
    /* Room for a number for each kind. */
    uint64_t *counts;
} sparsec_self_test;

/* Runs all samples and prints the best class of each, Top-1 and Top-5, bytes that differ, and what each kind of layer
 * takes. Returns how many bytes differ, or -1 where the network has failed. */
int sparsec_self_test_run(const sparsec_self_test *test);

/* Stand before and behind each layer. */
void sparsec_self_test_before_layer(int32_t layer);
void sparsec_self_test_after_layer(int32_t layer);

/*
 * What a program may define itself. By default text goes to stdout, and cycles are those of DWT (Cortex-M3, M4, M7, M33),
 * of the PMU (M55, M85) or of SysTick (M0, M0+), which is 24 bits wide: a layer of more than 33 million cycles is
 * counted short there.
 */
void sparsec_self_test_write(const char *text);
void sparsec_self_test_start_counter(void);
uint32_t sparsec_self_test_counter(void);
/* How much was counted between two readings. */
uint32_t sparsec_self_test_between(uint32_t begin, uint32_t end);
/* What is counted, a word. */
const char *sparsec_self_test_unit(void);

#ifdef __cplusplus
}
#endif

#endif
