/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Numbers are printed without printf, which may be large or absent; what depends on the device is weak.
 */

#include "sparsec_self_test.h"

#include <stdio.h>
#include <string.h>

#define WEAK __attribute__((weak))
#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* How many of the best classes Top-5 looks at. */
#define TOP_MANY 5

static const sparsec_self_test *running;
static uint32_t began;
static uint32_t overhead;

WEAK void sparsec_self_test_write(const char *text)
{
    (void)fputs(text, stdout);
}

#if defined(__ARM_ARCH) && defined(__ARM_FEATURE_MVE)

    #define DEMCR REGISTER(0xE000EDFCu)
    #define PMU_CYCLES REGISTER(0xE000307Cu)
    #define PMU_ENABLE_SET REGISTER(0xE0003C00u)
    #define PMU_CONTROL REGISTER(0xE0003E04u)

WEAK void sparsec_self_test_start_counter(void)
{
    DEMCR |= 1u << 24;
    PMU_ENABLE_SET = 1u << 31;
    PMU_CONTROL |= 1u;
}

WEAK uint32_t sparsec_self_test_counter(void)
{
    return PMU_CYCLES;
}

#elif defined(__ARM_ARCH) && __ARM_ARCH >= 7 && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'

    #define DEMCR REGISTER(0xE000EDFCu)
    #define DWT_CONTROL REGISTER(0xE0001000u)
    #define DWT_CYCLES REGISTER(0xE0001004u)
    #define DWT_UNLOCK REGISTER(0xE0001FB0u)

WEAK void sparsec_self_test_start_counter(void)
{
    DEMCR |= 1u << 24;
    DWT_UNLOCK = 0xC5ACCE55u; /* as Cortex-M7 wants it */
    DWT_CONTROL |= 1u;
}

WEAK uint32_t sparsec_self_test_counter(void)
{
    return DWT_CYCLES;
}

#elif defined(__ARM_ARCH) && __ARM_ARCH == 6

    #define SYSTICK_CONTROL REGISTER(0xE000E010u)
    #define SYSTICK_RELOAD REGISTER(0xE000E014u)
    #define SYSTICK_VALUE REGISTER(0xE000E018u)
    #define SYSTICK_BITS 24
    #define SYSTICK_WRAPPED (1u << 16)

static uint32_t wraps;

WEAK void sparsec_self_test_start_counter(void)
{
    SYSTICK_RELOAD = (1u << SYSTICK_BITS) - 1;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 5u; /* the processor's clock, no interrupt */
}

/* It counts down, and says once that it has wrapped: a layer may wrap it once. */
WEAK uint32_t sparsec_self_test_counter(void)
{
    uint32_t value = SYSTICK_VALUE;
    if (SYSTICK_CONTROL & SYSTICK_WRAPPED)
    {
        wraps++;
        value = SYSTICK_VALUE;
    }
    return (wraps << SYSTICK_BITS) + ((1u << SYSTICK_BITS) - 1 - value);
}

#else

WEAK void sparsec_self_test_start_counter(void)
{
}

WEAK uint32_t sparsec_self_test_counter(void)
{
    return 0;
}

#endif

WEAK uint32_t sparsec_self_test_between(uint32_t begin, uint32_t end)
{
    return end - begin;
}

WEAK const char *sparsec_self_test_unit(void)
{
    return "cycles";
}

void sparsec_self_test_before_layer(int32_t layer)
{
    (void)layer;
    began = sparsec_self_test_counter();
}

void sparsec_self_test_after_layer(int32_t layer)
{
    const uint32_t taken = sparsec_self_test_between(began, sparsec_self_test_counter());
    running->counts[running->kind_of_layer[layer]] += taken > overhead ? taken - overhead : 0;
}

/* Writes `number` right-aligned in `width` characters, the last `decimals` digits behind a point. */
static void write_number(uint64_t number, int width, int decimals)
{
    char text[32];
    char *digit = text + sizeof(text) - 1;
    int digits = 0;

    *digit = '\0';
    do
    {
        if (digits == decimals && decimals > 0)
        {
            *--digit = '.';
        }
        *--digit = (char)('0' + (int)(number % 10));
        number /= 10;
        digits++;
    }
    while (number != 0 || digits <= decimals);
    while (text + sizeof(text) - 1 - digit < width && digit > text)
    {
        *--digit = ' ';
    }
    sparsec_self_test_write(digit);
}

/* Writes `text` left-aligned in `width` characters, or right-aligned where that is negative. */
static void write_padded(const char *text, int width)
{
    const int length = (int)strlen(text);
    const int room = (width < 0 ? -width : width) - length;

    if (width > 0)
    {
        sparsec_self_test_write(text);
    }
    for (int i = 0; i < room; i++)
    {
        sparsec_self_test_write(" ");
    }
    if (width < 0)
    {
        sparsec_self_test_write(text);
    }
}

static void write_share(const char *what, int32_t number, int32_t of)
{
    sparsec_self_test_write(what);
    write_number((uint64_t)number, 0, 0);
    sparsec_self_test_write(" of ");
    write_number((uint64_t)of, 0, 0);
}

/* How many classes are better than `class`; of equal ones the first is. */
static int32_t rank_of(const int8_t *outputs, int32_t classes, int32_t class)
{
    int32_t better = 0;
    for (int32_t other = 0; other < classes; other++)
    {
        better += outputs[other] > outputs[class] || (outputs[other] == outputs[class] && other < class);
    }
    return better;
}

static int32_t best_of(const int8_t *outputs, int32_t classes)
{
    int32_t best = 0;
    for (int32_t class = 1; class < classes; class ++)
    {
        best = outputs[class] > outputs[best] ? class : best;
    }
    return best;
}

/* What the reading of the counter takes: the least of some tries. */
static void measure_overhead(void)
{
    overhead = UINT32_MAX;
    for (int i = 0; i < 8; i++)
    {
        sparsec_self_test_before_layer(0);
        const uint32_t taken = sparsec_self_test_between(began, sparsec_self_test_counter());
        overhead = taken < overhead ? taken : overhead;
    }
}

static void write_table(const sparsec_self_test *test)
{
    const uint64_t samples = (uint64_t)test->samples;
    uint64_t total = 0;
    for (int32_t kind = 0; kind < test->kinds; kind++)
    {
        total += test->counts[kind];
    }
    if (total == 0)
    {
        sparsec_self_test_write("nothing counts cycles here\n");
        return;
    }
    write_padded("for each sample", 16);
    write_padded("count", -7);
    write_padded(sparsec_self_test_unit(), -15);
    write_padded("average", -15);
    write_padded("share %\n", -11);
    for (int32_t kind = 0; kind < test->kinds; kind++)
    {
        uint64_t layers = 0;
        for (int32_t layer = 0; layer < test->layers; layer++)
        {
            layers += test->kind_of_layer[layer] == kind;
        }
        const uint64_t taken = test->counts[kind] / samples;
        write_padded(test->kind_names[kind], 16);
        write_number(layers, 7, 0);
        write_number(taken, 15, 0);
        write_number(layers == 0 ? 0 : taken / layers, 15, 0);
        write_number((test->counts[kind] * 10000 + total / 2) / total, 10, 2);
        sparsec_self_test_write("\n");
    }
    write_padded("together", 16);
    write_number((uint64_t)test->layers, 7, 0);
    write_number(total / samples, 15, 0);
    sparsec_self_test_write("\n");
}

int sparsec_self_test_run(const sparsec_self_test *test)
{
    int32_t first = 0;
    int32_t many = 0;
    int32_t wrong = 0;

    running = test;
    sparsec_self_test_start_counter();
    measure_overhead();
    memset(test->counts, 0, (size_t)test->kinds * sizeof(*test->counts));
    sparsec_self_test_write(test->name);
    sparsec_self_test_write("\n");
    for (int32_t sample = 0; sample < test->samples; sample++)
    {
        const int8_t *expected = test->expected + (size_t)sample * (size_t)test->output_bytes;
        const int status = test->run(test->inputs + (size_t)sample * (size_t)test->input_bytes, test->outputs);
        int32_t differing = 0;

        sparsec_self_test_write("sample ");
        write_number((uint64_t)sample, 0, 0);
        if (status != 0)
        {
            sparsec_self_test_write(": a kernel has failed\n");
            return -1;
        }
        for (int32_t byte = 0; byte < test->output_bytes; byte++)
        {
            differing += test->outputs[byte] != expected[byte];
        }
        wrong += differing;
        if (test->classes > 0)
        {
            sparsec_self_test_write(": class ");
            write_number((uint64_t)best_of(test->outputs, test->classes), 0, 0);
        }
        if (test->labels != NULL)
        {
            const int32_t rank = rank_of(test->outputs, test->classes, test->labels[sample]);
            sparsec_self_test_write(", label ");
            write_number(test->labels[sample], 0, 0);
            first += rank < 1;
            many += rank < TOP_MANY;
        }
        if (differing != 0)
        {
            write_share(", differs in bytes: ", differing, test->output_bytes);
        }
        sparsec_self_test_write("\n");
    }
    if (test->labels != NULL)
    {
        write_share("Top-1: ", first, test->samples);
        write_share("\nTop-5: ", many, test->samples);
        sparsec_self_test_write("\n");
    }
    write_share("mismatches: ", wrong, test->samples * test->output_bytes);
    sparsec_self_test_write(" bytes\n");
    write_table(test);
    return (int)wrong;
}
