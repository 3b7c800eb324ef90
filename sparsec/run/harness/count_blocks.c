/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * A plugin of QEMU's TCG that counts, within the first call of one function, how often each basic block follows
 * each other one.
 *
 * Arguments: entry=ADDRESS,end=ADDRESS of the function and out=FILE. Each call that the function itself makes ends a
 * region: region N holds what the function does before its call number N, and the call. FILE gets the lines
 *     block START INSTRUCTIONS END                    in order: the first is number 0
 *     call REGION ADDRESS                             the function that the region calls
 *     edge REGION FROM TO EXECUTIONS MISPREDICTED     FROM and TO are blocks
 * with addresses in hexadecimal, and "complete" at its end when the function has returned. The first edge comes from
 * the caller's block. MISPREDICTED is what a two-bit counter per branch, that knows the last target, gets wrong.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* QEMU's qemu-plugin.h as of version 1 of the interface, as far as it is needed: Debian ships no such file. */

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void translated_function(uint64_t plugin, struct qemu_plugin_tb *block);
typedef void executed_function(unsigned int processor, void *data);
typedef void exit_function(uint64_t plugin, void *data);

extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, translated_function *function);
extern void
qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed_function *function, int flags, void *data);
extern void qemu_plugin_register_atexit_cb(uint64_t plugin, exit_function *function, void *data);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);

int qemu_plugin_install(uint64_t plugin, const void *info, int count, char **arguments);
int qemu_plugin_version = 1;

#define MAX_BLOCKS (1U << 16)
#define MAX_EDGES (1U << 20)
#define MAX_REGIONS (1U << 12)
#define EDGE_MASK (MAX_EDGES - 1U)

typedef struct
{
    uint64_t start;
    uint64_t end;
    uint64_t instructions;
    uint64_t last_target;
    uint32_t last_edge;
    uint32_t taken; /* 0 and 1 predict that the branch falls through, 2 and 3 that it is taken. */
} block;

typedef struct
{
    uint64_t executions; /* 0 in a free place of the table. */
    uint64_t mispredicted;
    uint32_t region;
    uint32_t from;
    uint32_t to;
} edge;

static block blocks[MAX_BLOCKS];
static edge edges[MAX_EDGES];
static uint64_t callees[MAX_REGIONS];
static uint32_t block_count;
static uint32_t edge_count;
static uint32_t region;
static uint32_t previous;
static uint64_t return_address;
static uint64_t entry;
static uint64_t entry_end;
static char output[4096];
static enum
{
    WAITING,
    COUNTING,
    RETURNED
} state;

static _Noreturn void give_up(const char *what)
{
    (void)fprintf(stderr, "count_blocks: %s\n", what);
    exit(1);
}

/* At the end of a page QEMU 7.2 gives a wrong size; the first halfword tells the right one. */
static uint64_t end_of(const struct qemu_plugin_insn *instruction)
{
    uint16_t halfword;
    memcpy(&halfword, qemu_plugin_insn_data(instruction), sizeof(halfword));
    return qemu_plugin_insn_vaddr(instruction) + (halfword >= 0xE800 ? 4 : 2);
}

static uint32_t find_edge(uint32_t from, uint32_t to)
{
    uint32_t place = (from * 2654435761U ^ to * 2246822519U ^ region * 3266489917U) & EDGE_MASK;
    while (edges[place].executions != 0 &&
           (edges[place].from != from || edges[place].to != to || edges[place].region != region))
    {
        place = (place + 1) & EDGE_MASK;
    }
    if (edges[place].executions == 0)
    {
        edges[place].from = from;
        edges[place].to = to;
        edges[place].region = region;
        if (++edge_count > MAX_EDGES / 2)
        {
            give_up("too many edges");
        }
    }
    return place;
}

/* Tells whether the branch at the end of `from` was predicted wrongly, and learns. */
static bool mispredicted(block *from, uint64_t target)
{
    const bool taken = target != from->end;
    const bool right = taken == (from->taken >= 2) && (!taken || from->last_target == target);
    if (taken)
    {
        from->last_target = target;
        from->taken += from->taken < 3;
    }
    else
    {
        from->taken -= from->taken > 0;
    }
    return !right;
}

static bool in_entry(uint64_t address)
{
    return address >= entry && address < entry_end;
}

static void count(uint32_t from, uint32_t to)
{
    const bool wrong = mispredicted(&blocks[from], blocks[to].start);
    edge *last = &edges[blocks[to].last_edge];
    if (last->executions == 0 || last->from != from || last->to != to || last->region != region)
    {
        blocks[to].last_edge = find_edge(from, to);
        last = &edges[blocks[to].last_edge];
    }
    last->executions++;
    last->mispredicted += wrong;
}

static void executed(unsigned int processor, void *data)
{
    (void)processor;
    const uint32_t from = previous;
    const uint32_t to = (uint32_t)(uintptr_t)data;
    const uint64_t address = blocks[to].start;
    previous = to;
    if (state == WAITING && address == entry)
    {
        state = COUNTING;
        return_address = blocks[from].end;
    }
    else if (state == COUNTING && address == return_address)
    {
        state = RETURNED;
    }
    else if (state == COUNTING && in_entry(blocks[from].start) && !in_entry(address))
    {
        callees[region] = address;
    }
    else if (state == COUNTING && !in_entry(blocks[from].start) && in_entry(address))
    {
        if (++region == MAX_REGIONS)
        {
            give_up("too many calls");
        }
    }
    if (state == COUNTING)
    {
        count(from, to);
    }
}

static void translated(uint64_t plugin, struct qemu_plugin_tb *translation)
{
    (void)plugin;
    const uint64_t start = qemu_plugin_tb_vaddr(translation);
    const size_t instructions = qemu_plugin_tb_n_insns(translation);
    uint32_t number = 0;
    while (number < block_count && (blocks[number].start != start || blocks[number].instructions != instructions))
    {
        number++;
    }
    if (number == MAX_BLOCKS)
    {
        give_up("too many blocks");
    }
    if (number == block_count)
    {
        const uint64_t end = end_of(qemu_plugin_tb_get_insn(translation, instructions - 1));
        blocks[number] = (block){.start = start, .end = end, .instructions = instructions, .taken = 1};
        block_count++;
    }
    qemu_plugin_register_vcpu_tb_exec_cb(translation, executed, 0, (void *)(uintptr_t)number);
}

static void write_counts(uint64_t plugin, void *data)
{
    (void)plugin;
    (void)data;
    FILE *file = fopen(output, "w");
    if (file == NULL)
    {
        give_up("the output cannot be written");
    }
    for (uint32_t i = 0; i < block_count; i++)
    {
        (void)fprintf(file,
                      "block %llx %llu %llx\n",
                      (unsigned long long)blocks[i].start,
                      (unsigned long long)blocks[i].instructions,
                      (unsigned long long)blocks[i].end);
    }
    for (uint32_t i = 0; i <= region; i++)
    {
        if (callees[i] != 0)
        {
            (void)fprintf(file, "call %lu %llx\n", (unsigned long)i, (unsigned long long)callees[i]);
        }
    }
    for (uint32_t i = 0; i < MAX_EDGES; i++)
    {
        if (edges[i].executions != 0)
        {
            (void)fprintf(file,
                          "edge %lu %lu %lu %llu %llu\n",
                          (unsigned long)edges[i].region,
                          (unsigned long)edges[i].from,
                          (unsigned long)edges[i].to,
                          (unsigned long long)edges[i].executions,
                          (unsigned long long)edges[i].mispredicted);
        }
    }
    (void)fputs(state == RETURNED ? "complete\n" : "", file);
    if (fclose(file) != 0)
    {
        give_up("the output cannot be written");
    }
}

int qemu_plugin_install(uint64_t plugin, const void *info, int count_of_arguments, char **arguments)
{
    (void)info;
    for (int i = 0; i < count_of_arguments; i++)
    {
        char *value = strchr(arguments[i], '=');
        if (value == NULL)
        {
            return 1;
        }
        const size_t length = (size_t)(value++ - arguments[i]);
        if (strncmp(arguments[i], "entry", length) == 0)
        {
            entry = strtoull(value, NULL, 0);
        }
        else if (strncmp(arguments[i], "end", length) == 0)
        {
            entry_end = strtoull(value, NULL, 0);
        }
        else
        {
            (void)snprintf(output, sizeof(output), "%s", value);
        }
    }
    if (entry == 0 || entry_end <= entry || output[0] == '\0')
    {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    qemu_plugin_register_atexit_cb(plugin, write_counts, NULL);
    return 0;
}
