/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The harness on a Cortex-M of QEMU: vectors, reset, files by semihosting and a timer that counts instructions.
 *
 * With one instruction made 128 ns of virtual time by -icount, every board timer used here ticks more than twice
 * per instruction, so its ticks name the number of instructions exactly. machines.py knows the boards and defines
 * TIMER_CMSDK, TIMER_HZ and SECONDS_COUNTER, or TIMER_SSE.
 */

#include "platform.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define SCB_CCR REGISTER(0xE000ED14)
#define SCB_CFSR REGISTER(0xE000ED28)
#define SCB_CPACR REGISTER(0xE000ED88)
#define CCR_UNALIGN_TRP (1U << 3)
#define CCR_LOB (1U << 19)
#define CPACR_CP10_CP11 (0xFU << 20)

int main(void);
void reset_handler(void);

/* Semihosting: Arm's "Semihosting for AArch32 and AArch64", operations by number. */

enum
{
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20,
    OPEN_READ_BINARY = 1,
    OPEN_WRITE_BINARY = 5,
    APPLICATION_EXIT = 0x20026,
};

static uintptr_t semihosting(uint32_t operation, const void *parameters)
{
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = parameters;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uintptr_t open_file(const char *name, size_t length, uintptr_t mode)
{
    const uintptr_t parameters[] = {(uintptr_t)name, mode, length};
    return semihosting(SYS_OPEN, parameters);
}

/* SYS_READ and SYS_WRITE return the number of bytes that were NOT transferred. */
static bool transfer(uint32_t operation, uintptr_t file, const void *data, size_t bytes)
{
    const uintptr_t parameters[] = {file, (uintptr_t)data, bytes};
    return semihosting(operation, parameters) == 0;
}

static bool close_file(uintptr_t file)
{
    return semihosting(SYS_CLOSE, &file) == 0;
}

static _Noreturn void exit_with(int code)
{
    const uintptr_t parameters[] = {APPLICATION_EXIT, (uintptr_t)code};
    for (;;)
    {
        (void)semihosting(SYS_EXIT_EXTENDED, parameters);
    }
}

#define OPEN_FILE(name, mode) open_file(name, sizeof(name) - 1, mode)
#define OPEN_FAILED UINTPTR_MAX

static uintptr_t inputs_file;
static uintptr_t outputs_file;
static uintptr_t ticks_file;

bool platform_open(void)
{
    inputs_file = OPEN_FILE("inputs.bin", OPEN_READ_BINARY);
    outputs_file = OPEN_FILE("outputs.bin", OPEN_WRITE_BINARY);
    ticks_file = OPEN_FILE("ticks.bin", OPEN_WRITE_BINARY);
    return inputs_file != OPEN_FAILED && outputs_file != OPEN_FAILED && ticks_file != OPEN_FAILED;
}

bool platform_read_inputs(void *destination, size_t bytes)
{
    return transfer(SYS_READ, inputs_file, destination, bytes);
}

bool platform_write_outputs(const void *source, size_t bytes)
{
    return transfer(SYS_WRITE, outputs_file, source, bytes);
}

bool platform_write_ticks(uint64_t ticks)
{
    return transfer(SYS_WRITE, ticks_file, &ticks, sizeof(ticks));
}

bool platform_close(void)
{
    const bool outputs_written = close_file(outputs_file);
    const bool ticks_written = close_file(ticks_file);
    return close_file(inputs_file) && outputs_written && ticks_written;
}

void platform_print(const char *text)
{
    (void)semihosting(SYS_WRITE0, text);
}

#if defined(TIMER_SSE)

/* The 64-bit system counter of SSE-300: it can be written while it stands. */
    #define COUNTER_CONTROL REGISTER(TIMER_SSE + 0x0)
    #define COUNTER_LOW REGISTER(TIMER_SSE + 0x8)
    #define COUNTER_HIGH REGISTER(TIMER_SSE + 0xC)

uint64_t __attribute__((noinline)) platform_time(entry_function *entry, int8_t *memory, int *status)
{
    COUNTER_CONTROL = 0;
    COUNTER_LOW = 0;
    COUNTER_HIGH = 0;
    COUNTER_CONTROL = 1;
    *status = entry(memory);
    COUNTER_CONTROL = 0;
    const uint32_t low = COUNTER_LOW;
    return ((uint64_t)COUNTER_HIGH << 32) | low;
}

void platform_start_timer(void)
{
    COUNTER_CONTROL = 1;
}

uint32_t platform_timer(void)
{
    return COUNTER_LOW;
}

#else

/* A 32-bit CMSDK timer counts down; the board's counter of whole seconds says how often it wrapped. */
    #define TIMER_CONTROL REGISTER(TIMER_CMSDK + 0x0)
    #define TIMER_VALUE REGISTER(TIMER_CMSDK + 0x4)
    #define TIMER_RELOAD REGISTER(TIMER_CMSDK + 0x8)

uint64_t __attribute__((noinline)) platform_time(entry_function *entry, int8_t *memory, int *status)
{
    const uint32_t first_second = REGISTER(SECONDS_COUNTER);
    TIMER_CONTROL = 0;
    TIMER_RELOAD = UINT32_MAX;
    TIMER_VALUE = UINT32_MAX;
    TIMER_CONTROL = 1;
    *status = entry(memory);
    uint64_t ticks = UINT32_MAX - TIMER_VALUE;
    const uint32_t seconds = REGISTER(SECONDS_COUNTER) - first_second;
    while (ticks + (1ULL << 31) < (uint64_t)seconds * TIMER_HZ)
    {
        ticks += 1ULL << 32;
    }
    return ticks;
}

void platform_start_timer(void)
{
    TIMER_RELOAD = UINT32_MAX;
    TIMER_CONTROL = 1;
}

uint32_t platform_timer(void)
{
    return UINT32_MAX - TIMER_VALUE;
}

#endif

__attribute__((naked)) int platform_return()
{
    __asm__ volatile("bx lr");
}

/* Symbols of cortex_m.ld. */
extern uint32_t stack_end[];
extern uint32_t data_start[];
extern uint32_t data_end[];
extern const uint32_t data_load[];
extern uint32_t bss_start[];
extern uint32_t bss_end[];

static __attribute__((noinline)) void start(void)
{
    const uint32_t *source = data_load;
    for (uint32_t *word = data_start; word < data_end; word++)
    {
        *word = *source++;
    }
    for (uint32_t *word = bss_start; word < bss_end; word++)
    {
        *word = 0;
    }
    exit_with(main());
}

/* Alone in its function: start() may use vector registers from its first instruction on. */
void reset_handler(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    SCB_CPACR |= CPACR_CP10_CP11;
    __asm__ volatile("dsb\n isb" ::: "memory");
#endif
#if defined(__ARM_FEATURE_MVE)
    SCB_CCR |= CCR_LOB;
#endif
#if __ARM_ARCH == 6
    /* Armv6-M cannot access unaligned words; the Armv7-M machine that stands in for it must not either. */
    SCB_CCR |= CCR_UNALIGN_TRP;
#endif
    start();
}

static __attribute__((used)) void report_fault(void)
{
    static const char hex[] = "0123456789abcdef";
    char text[] = "processor fault, CFSR 0x00000000\n";
    const uint32_t cause = SCB_CFSR;
    for (int nibble = 0; nibble < 8; nibble++)
    {
        text[sizeof(text) - 3 - (size_t)nibble] = hex[(cause >> (4 * nibble)) & 0xF];
    }
    platform_print(text);
    exit_with(EXIT_CODE_FAULT);
}

/* The fault may be a full stack: report it on an empty one. */
static __attribute__((naked)) void fault_handler(void)
{
    __asm__ volatile("ldr r0, =stack_end\n msr msp, r0\n bl report_fault");
}

typedef union
{
    const uint32_t *stack;
    void (*handler)(void);
} vector;

extern const vector vectors[16];
const vector __attribute__((section(".vectors"), used)) vectors[16] = {
    {.stack = stack_end},
    {.handler = reset_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
    {.handler = fault_handler},
};
