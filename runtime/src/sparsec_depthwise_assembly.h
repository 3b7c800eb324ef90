/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * The inner loops of sparsec_depthwise_convolve_delta8_s8, which alone includes this, for cores with DSP instructions. In
 * assembly, because four 64-bit accumulators and what walks the entries take all fourteen registers, and compilers spill.
 *
 * Registers of a strip: r0:r1 r3:r4 r5:r6 r7:r8 accumulators (low:high)   lr entries   r12 place in the plane
 *                       r9 r10 r11 weights and words   r2 passes left of the singles
 * and of its end:       r2 addend   r9 multiplier   r10 temporary   r11 output   r12 partner   lr shift
 * Stack: the first fifteen words of sparsec_depthwise_job, then +60 way into the entries, +64 from the triples,
 *        +68 into the singles, +72 to end a strip, +76 job
 */

#ifndef SPARSEC_DEPTHWISE_ASSEMBLY_H
#define SPARSEC_DEPTHWISE_ASSEMBLY_H

#include "sparsec_depthwise_rows.h"

#if defined(PACKED_ASSEMBLY)

    /* Separate loads pair with multiplications on the Cortex-M7 (see sparsec_packed_assembly.h). */
    #if !defined(SPARSEC_DUAL_ISSUE)
        #if defined(__ARM_ARCH_7EM__) && defined(__ARM_FP) && (__ARM_FP & 8)
            #define SPARSEC_DUAL_ISSUE 1
        #else
            #define SPARSEC_DUAL_ISSUE 0
        #endif
    #endif
    #define TEXT_OF(x) #x
    #define TEXT(x) TEXT_OF(x)

/* One output channel; the assembly knows the layout. */
typedef struct
{
    int64_t bias; /* In both fields */
    const int8_t *plane;
    const void *list[2];
    const int8_t *entries;
    int32_t addend; /* Half of 2^shift, and the output offset times 2^shift */
    int32_t multiplier;
    int8_t *output;
    int32_t partner;           /* Bytes from an output pixel to its partner */
    int32_t shift;             /* To the right */
    int32_t step, three_steps; /* Bytes to the next output pixel of a strip, and to the third */
    int32_t back;              /* Bytes that the triples have moved on */
    int32_t passes;            /* Of four singles, less one */
    int32_t triples;
    int32_t singles;                                         /* Of the first pass */
    const sparsec_depthwise_strip *strips[PACKED_STRIP + 1]; /* Those of 4, 3, 2, 1 words, and their end */
} sparsec_depthwise_job;

/* Where the inputs of a channel go; the assembly knows the layout. */
typedef struct
{
    int8_t *plane;
    int32_t partner; /* Bytes from a pixel to its partner */
    int32_t padding; /* An input of padding */
    int32_t step;    /* Bytes from a word's pixel to the next one's */
} sparsec_depthwise_unfolding;

void sparsec_depthwise_strips(const sparsec_depthwise_job *job);
void sparsec_depthwise_unfold(const sparsec_depthwise_segment *first,
                              const sparsec_depthwise_segment *end,
                              const int8_t *input,
                              const sparsec_depthwise_unfolding *unfolding);

/* clang-format off */
__ASM(
"    .syntax unified\n"
"    .thumb\n"
"    .set depthwise_dual, " TEXT(SPARSEC_DUAL_ISSUE) "\n"

/* Two neighbouring words, the first `offset` bytes from r12. */
"    .macro depthwise_load2 first, second, offset\n"
"    .if depthwise_dual\n"
"    ldr \\first, [r12, #\\offset]\n"
"    ldr \\second, [r12, #\\offset + 4]\n"
"    .else\n"
"    ldrd \\first, \\second, [r12, #\\offset]\n"
"    .endif\n"
"    .endm\n"

/* A single: its step, its weight, and a multiplication for each word. */
"    .macro depthwise_single words\n"
"    ldrsb r9, [lr, #1]\n"
"    ldrb r10, [lr], #2\n"
"    add r12, r12, r10, lsl #2\n"
"    .if \\words == 4\n"
"    depthwise_load2 r10, r11, 0\n"
"    smlal r0, r1, r9, r10\n"
"    .if depthwise_dual\n"
"    ldr r10, [r12, #8]\n"
"    smlal r3, r4, r9, r11\n"
"    ldr r11, [r12, #12]\n"
"    .else\n"
"    smlal r3, r4, r9, r11\n"
"    ldrd r10, r11, [r12, #8]\n"
"    .endif\n"
"    smlal r5, r6, r9, r10\n"
"    smlal r7, r8, r9, r11\n"
"    .elseif \\words == 3\n"
"    .if depthwise_dual\n"
"    ldr r7, [r12]\n"
"    ldr r10, [r12, #4]\n"
"    smlal r0, r1, r9, r7\n"
"    ldr r11, [r12, #8]\n"
"    .else\n"
"    ldm r12, {r7, r10, r11}\n"
"    smlal r0, r1, r9, r7\n"
"    .endif\n"
"    smlal r3, r4, r9, r10\n"
"    smlal r5, r6, r9, r11\n"
"    .elseif \\words == 2\n"
"    depthwise_load2 r10, r11, 0\n"
"    smlal r0, r1, r9, r10\n"
"    smlal r3, r4, r9, r11\n"
"    .else\n"
"    ldr r10, [r12]\n"
"    smlal r0, r1, r9, r10\n"
"    .endif\n"
"    .endm\n"

/* A triple: its step, three weights, and each word loaded once. */
"    .macro depthwise_triple words\n"
"    ldrb r10, [lr], #4\n"
"    ldrsb r9, [lr, #-3]\n"
"    add r12, r12, r10, lsl #2\n"
"    ldrsb r10, [lr, #-2]\n"
"    depthwise_load2 r11, r2, 0\n"
"    smlal r0, r1, r9, r11\n"
"    .if \\words != 2\n"
"    ldr r11, [r12, #8]\n"
"    .endif\n"
"    smlal r0, r1, r10, r2\n"
"    .if \\words > 1\n"
"    smlal r3, r4, r9, r2\n"
"    .endif\n"
"    ldrsb r2, [lr, #-1]\n"
"    .if \\words == 1\n"
"    smlal r0, r1, r2, r11\n"
"    .elseif \\words == 2\n"
"    depthwise_load2 r9, r11, 8\n"
"    smlal r3, r4, r10, r9\n"
"    smlal r0, r1, r2, r9\n"
"    smlal r3, r4, r2, r11\n"
"    .else\n"
"    smlal r3, r4, r10, r11\n"
"    smlal r5, r6, r9, r11\n"
"    smlal r0, r1, r2, r11\n"
"    .if \\words == 3\n"
"    depthwise_load2 r9, r11, 12\n"
"    smlal r5, r6, r10, r9\n"
"    smlal r3, r4, r2, r9\n"
"    smlal r5, r6, r2, r11\n"
"    .else\n"
"    ldr r11, [r12, #12]\n"
"    smlal r5, r6, r10, r11\n"
"    smlal r7, r8, r9, r11\n"
"    smlal r3, r4, r2, r11\n"
"    depthwise_load2 r9, r11, 16\n"
"    smlal r7, r8, r10, r9\n"
"    smlal r5, r6, r2, r9\n"
"    smlal r7, r8, r2, r11\n"
"    .endif\n"
"    .endif\n"
"    .endm\n"

/* An accumulator to its two output bytes; a shift of 0 is in lr. First twice the two fields, each in a register: the bits
 * of the upper one are one too few where the lower is negative; LSRS leaves that bit in the carry. Then as in
 * sparsec_store_saturated. The two take turns, so that none waits for its own result. */
"    .macro depthwise_outputs low, high, shift, first, second\n"
"    lsrs r10, \\low, #22\n"
"    lsl \\low, \\low, #9\n"
"    adc \\high, r10, \\high, lsl #10\n"
"    asr \\low, \\low, #8\n"
"    add r10, r2, \\low, asr #31\n"
"    smmlar \\low, \\low, r9, r10\n"
"    add r10, r2, \\high, asr #31\n"
"    smmlar \\high, \\high, r9, r10\n"
"    .if \\shift\n"
"    ssat \\low, #8, \\low, asr #\\shift\n"
"    ssat \\high, #8, \\high, asr #\\shift\n"
"    .else\n"
"    asr \\low, \\low, lr\n"
"    asr \\high, \\high, lr\n"
"    ssat \\low, #8, \\low\n"
"    ssat \\high, #8, \\high\n"
"    .endif\n"
"    strb \\low, \\first\n"
"    strb \\high, \\second\n"
"    .endm\n"

/* The end of a strip. Then r0 is the partner's output, r12 the distance of two pixels and r1 that of four. */
"    .macro depthwise_tail words, shift\n"
"    ldr r10, [sp, #12]\n"
"    add r9, sp, #24\n"
"    ldr r10, [r10, #4]\n"
"    ldm r9, {r2, r9, r11, r12, lr}\n"
"    add r11, r11, r10\n"
"    depthwise_outputs r0, r1, \\shift, \"[r11]\", \"[r11, r12]\"\n"
"    .if \\words > 1\n"
"    add r0, r11, r12\n"
"    ldrd r12, r1, [sp, #44]\n"
"    depthwise_outputs r3, r4, \\shift, \"[r11, r12]\", \"[r0, r12]\"\n"
"    .endif\n"
"    .if \\words > 2\n"
"    depthwise_outputs r5, r6, \\shift, \"[r11, r12, lsl #1]\", \"[r0, r12, lsl #1]\"\n"
"    .endif\n"
"    .if \\words > 3\n"
"    depthwise_outputs r7, r8, \\shift, \"[r11, r1]\", \"[r0, r1]\"\n"
"    .endif\n"
"    ldrd r9, r10, [sp, #12]\n"
"    add r9, r9, #8\n"
"    cmp r9, r10\n"
"    str r9, [sp, #12]\n"
"    bne depthwise_strip_\\words\n"
"    .endm\n"

/* The strips of `words` words. */
"    .macro depthwise_strips words, next\n"
"    b depthwise_begin_\\words\n"
"    .p2align 2\n"
"depthwise_table_\\words:\n"
"    .word depthwise_plain_\\words + 1\n"
"    .irp n, 1, 2, 3, 4, 5\n"
"    .word depthwise_triple_\\words\\()_\\n + 1\n"
"    .endr\n"
"    .word depthwise_tail_\\words + 1\n"
"    .irp n, 1, 2, 3, 4\n"
"    .word depthwise_single_\\words\\()_\\n + 1\n"
"    .endr\n"
"    .word depthwise_back_\\words + 1\n"
"    .if \\words == 4\n"
"    .irp shift, 5, 6, 7, 8, 9, 10, 11, 12\n"
"    .word depthwise_shift_\\shift + 1\n"
"    .endr\n"
"    .endif\n"
"depthwise_begin_\\words:\n"
"    ldr r0, [sp, #76]\n"
"    ldrd r1, r2, [r0, #68 + 4 * (4 - \\words)]\n"
"    cmp r1, r2\n"
"    beq \\next\n"
"    strd r1, r2, [sp, #12]\n"
"    ldrd r3, r4, [r0, #60]\n"
"    adr r5, depthwise_table_\\words\n"
"    ldr r6, [r5, r3, lsl #2]\n"
"    str r6, [sp, #60]\n"
"    ldr r8, [r5, #24]\n"
"    .if \\words == 4\n"
"    ldr r7, [sp, #40]\n"
"    subs r7, r7, #5\n"
"    cmp r7, #7\n"
"    bhi depthwise_any_shift\n"
"    add r8, r5, #48\n"
"    ldr r8, [r8, r7, lsl #2]\n"
"depthwise_any_shift:\n"
"    .endif\n"
"    str r8, [sp, #72]\n"
"    ldr r6, [r5, #44]\n"
"    add r5, r5, #24\n"
"    ldr r7, [r5, r4, lsl #2]\n"
"    cmp r4, #0\n"
"    it eq\n"
"    moveq r6, r8\n"
"    strd r6, r7, [sp, #64]\n"
"depthwise_strip_\\words:\n"
"    ldm sp, {r0, r1, r2, r9, r10, lr}\n"
"    ldr r12, [r9]\n"
"    .if \\words > 1\n"
"    mov r3, r0\n"
"    mov r4, r1\n"
"    .endif\n"
"    .if \\words > 2\n"
"    .if depthwise_dual\n"
"    mov r5, r0\n"
"    mov r6, r1\n"
"    .else\n"
"    ldrd r5, r6, [sp]\n"
"    .endif\n"
"    .endif\n"
"    .if \\words > 3\n"
"    .if depthwise_dual\n"
"    mov r7, r0\n"
"    mov r8, r1\n"
"    .else\n"
"    ldrd r7, r8, [sp]\n"
"    .endif\n"
"    .endif\n"
"    add r12, r12, r2\n"
"    ldr pc, [sp, #60]\n"
"    .irp n, 5, 4, 3, 2, 1\n"
"depthwise_triple_\\words\\()_\\n:\n"
"    depthwise_triple \\words\n"
"    .endr\n"
"    ldr pc, [sp, #64]\n"
"depthwise_back_\\words:\n"
"    ldr r10, [sp, #52]\n"
"    sub r12, r12, r10\n"
"depthwise_plain_\\words:\n"
"    ldr r2, [sp, #56]\n"
"    ldr pc, [sp, #68]\n"
"    .irp n, 4, 3, 2, 1\n"
"depthwise_single_\\words\\()_\\n:\n"
"    depthwise_single \\words\n"
"    .endr\n"
"    subs r2, r2, #1\n"
"    bpl depthwise_single_\\words\\()_4\n"
"    .if \\words == 4\n"
"    ldr pc, [sp, #72]\n"
"    .endif\n"
"depthwise_tail_\\words:\n"
"    depthwise_tail \\words, 0\n"
"    b \\next\n"
"    .if \\words == 4\n"
"    .irp shift, 5, 6, 7, 8, 9, 10, 11, 12\n"
"depthwise_shift_\\shift:\n"
"    depthwise_tail 4, \\shift\n"
"    b \\next\n"
"    .endr\n"
"    .endif\n"
"    .endm\n"

"    .section .text.sparsec_depthwise_strips, \"ax\", %progbits\n"
"    .p2align 2\n"
"    .global sparsec_depthwise_strips\n"
"    .type sparsec_depthwise_strips, %function\n"
"    .thumb_func\n"
"sparsec_depthwise_strips:\n"
"    push {r4-r11, lr}\n"
"    sub sp, sp, #80\n"
"    str r0, [sp, #76]\n"
"    mov r9, sp\n"
"    ldm r0!, {r1-r8}\n"
"    stm r9!, {r1-r8}\n"
"    ldm r0, {r1-r7}\n"
"    stm r9, {r1-r7}\n"
"    depthwise_strips 4, depthwise_begin_3\n"
"    depthwise_strips 3, depthwise_begin_2\n"
"    depthwise_strips 2, depthwise_begin_1\n"
"    depthwise_strips 1, depthwise_end\n"
"depthwise_end:\n"
"    add sp, sp, #80\n"
"    pop {r4-r11, pc}\n"
"    .size sparsec_depthwise_strips, . - sparsec_depthwise_strips\n"

/* Four words with only one pixel inside; r12 is what the padding adds. */
"    .macro depthwise_outside shift\n"
"depthwise_outside_\\shift:\n"
"    subs r5, r5, #4\n"
"    blo depthwise_outside_rest_\\shift\n"
"depthwise_outside_four_\\shift:\n"
"    ldrsb r7, [r3, lr]\n"
"    ldrsb r8, [r3, lr, lsl #1]\n"
"    ldrsb r9, [r3, r11]\n"
"    ldrsb r6, [r3]\n"
"    add r3, r3, lr, lsl #2\n"
"    add r7, r12, r7, lsl #\\shift\n"
"    add r8, r12, r8, lsl #\\shift\n"
"    add r9, r12, r9, lsl #\\shift\n"
"    add r6, r12, r6, lsl #\\shift\n"
"    stm r4!, {r6-r9}\n"
"    subs r5, r5, #4\n"
"    bhs depthwise_outside_four_\\shift\n"
"depthwise_outside_rest_\\shift:\n"
"    adds r5, r5, #4\n"
"    beq depthwise_segment\n"
"depthwise_outside_one_\\shift:\n"
"    ldrsb r6, [r3]\n"
"    add r3, r3, lr\n"
"    add r6, r12, r6, lsl #\\shift\n"
"    subs r5, r5, #1\n"
"    str r6, [r4], #4\n"
"    bne depthwise_outside_one_\\shift\n"
"    b depthwise_segment\n"
"    .endm\n"

/* r0 segment, r2 input, r3 pixel, r12 its partner, lr step, r11 three steps, r4 words, r5 words left.
 * Stack: +0 end +4 plane +8 partner +12 padding */
"    .section .text.sparsec_depthwise_unfold, \"ax\", %progbits\n"
"    .p2align 2\n"
"    .global sparsec_depthwise_unfold\n"
"    .type sparsec_depthwise_unfold, %function\n"
"    .thumb_func\n"
"sparsec_depthwise_unfold:\n"
"    push {r4-r11, lr}\n"
"    ldm r3, {r4, r5, r6, lr}\n"
"    push {r1, r4, r5, r6}\n"
"    add r11, lr, lr, lsl #1\n"
"depthwise_segment:\n"
"    ldrd r6, r7, [sp]\n"
"    cmp r0, r6\n"
"    beq depthwise_unfolded\n"
"    ldm r0!, {r3, r4, r5}\n"
"    add r3, r3, r2\n"
"    add r4, r4, r7\n"
"    lsrs r6, r5, #16\n"
"    uxth r5, r5\n"
"    bne depthwise_one_sided\n"
"    ldr r12, [sp, #8]\n"
"    add r12, r12, r3\n"
"    subs r5, r5, #4\n"
"    blo depthwise_both_rest\n"
"depthwise_both_four:\n"
"    ldrsb r7, [r3, lr]\n"
"    ldrsb r10, [r12, lr]\n"
"    ldrsb r8, [r3, lr, lsl #1]\n"
"    ldrsb r1, [r12, lr, lsl #1]\n"
"    add r7, r7, r10, lsl #23\n"
"    ldrsb r9, [r3, r11]\n"
"    ldrsb r10, [r12, r11]\n"
"    add r8, r8, r1, lsl #23\n"
"    ldrsb r6, [r3]\n"
"    ldrsb r1, [r12]\n"
"    add r9, r9, r10, lsl #23\n"
"    add r3, r3, lr, lsl #2\n"
"    add r12, r12, lr, lsl #2\n"
"    add r6, r6, r1, lsl #23\n"
"    stm r4!, {r6-r9}\n"
"    subs r5, r5, #4\n"
"    bhs depthwise_both_four\n"
"depthwise_both_rest:\n"
"    adds r5, r5, #4\n"
"    beq depthwise_segment\n"
"    lsrs r5, r5, #1\n"
"    bcc depthwise_both_two\n"
"    ldrsb r6, [r3]\n"
"    ldrsb r10, [r12]\n"
"    add r3, r3, lr\n"
"    add r12, r12, lr\n"
"    add r6, r6, r10, lsl #23\n"
"    str r6, [r4], #4\n"
"    cmp r5, #0\n"
"    beq depthwise_segment\n"
"depthwise_both_two:\n"
"    ldrsb r6, [r3]\n"
"    ldrsb r10, [r12]\n"
"    ldrsb r7, [r3, lr]\n"
"    ldrsb r1, [r12, lr]\n"
"    add r6, r6, r10, lsl #23\n"
"    add r7, r7, r1, lsl #23\n"
"    strd r6, r7, [r4]\n"
"    b depthwise_segment\n"
"depthwise_one_sided:\n"
"    ldr r12, [sp, #12]\n"
"    cmp r6, #2\n"
"    beq depthwise_outside_23\n"
"    lsl r12, r12, #23\n"
"    depthwise_outside 0\n"
"    depthwise_outside 23\n"
"depthwise_unfolded:\n"
"    add sp, sp, #16\n"
"    pop {r4-r11, pc}\n"
"    .size sparsec_depthwise_unfold, . - sparsec_depthwise_unfold\n"
"    .text\n"
);
    /* clang-format on */

#endif

#endif
