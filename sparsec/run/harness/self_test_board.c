/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A self-test on a board of QEMU: text by semihosting, and instructions in place of cycles.
 */

#include "platform.h"
#include "sparsec_self_test.h"

/* What -icount makes of virtual time, see machines.py. */
#define INSTRUCTIONS_PER_SECOND 7812500u

void sparsec_self_test_write(const char *text)
{
    platform_print(text);
}

void sparsec_self_test_start_counter(void)
{
    platform_start_timer();
}

uint32_t sparsec_self_test_counter(void)
{
    return platform_timer();
}

uint32_t sparsec_self_test_between(uint32_t begin, uint32_t end)
{
    return (uint32_t)(((uint64_t)(end - begin) * INSTRUCTIONS_PER_SECOND + TIMER_HZ / 2) / TIMER_HZ);
}

const char *sparsec_self_test_unit(void)
{
    return "instructions";
}
