/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Rows of outputs of 3x3 windows for sparsec_depthwise_convolve_lanes_s8, which alone includes this. In assembly, because
 * the order of the instructions is what counts: multiplications and additions take turns, so that neither waits for the
 * other, with one load after each two of them; and no vector register is left over.
 *
 * q0, q1 sums of even and odd channels of a pixel    q2, q3 those of the next pixel
 * q4 inputs    q5 weights    q6, q7 products of even and odd channels; those in q7 are added a step later
 * r0, r1, r2 rows of the window    r3 weights, then numbers    r4 output    r6 channels    r8 output offset    r9 way    lr pairs
 *
 * All registers are named, and filled from memory, because compilers run out of low ones where they may choose.
 */

#ifndef SPARSEC_DEPTHWISE_LANES_ASSEMBLY_H
#define SPARSEC_DEPTHWISE_LANES_ASSEMBLY_H

#include "sparsec_arch.h"

#if defined(ARM_MATH_MVEI)

/* Up to eight channels: the first members are what the assembly loads, in this order. */
typedef struct
{
    const int8_t *row[3]; /* In scratch memory, where the window of the first pixel begins */
    const int8_t *weights;
    int8_t *output;   /* Moves on */
    int32_t lanes;    /* Channels that are there */
    int32_t channels; /* From a pixel to the next one */
    int32_t offset;
    int32_t way;   /* 4 for a stride of 2, 2 where outputs may be below the offset, 1 for an odd number of pixels */
    int32_t pairs; /* Of pixels */
    const int8_t *slots; /* The first of these channels in the first row in scratch memory */
    int32_t place;       /* The first of these channels, from the first of the 16 */
    bool fast;           /* Assembly does them */
} sparsec_depthwise_lanes_part;

#endif

/* Without optimization gcc finds no registers for it. */
#if defined(ARM_MATH_MVEI) && defined(__GNUC__) && defined(__OPTIMIZE__)

    #define DEPTHWISE_LANES_ASSEMBLY 1

    /* clang-format off */
#define X(row, at) "vldrb.s16 q4, [r" row ", #" at "]\n\t"
/* And on to the next two pixels. */
#define X_ON(row, at) "vldrb.s16 q4, [r" row ", #" at "]!\n\t"
#define W(at) "vldrb.s16 q5, [r3, #" at "]\n\t"
/* Biases, multipliers and shifts follow the weights. */
#define NUMBERS(to, at) "vldrw.32 " to ", [r3, #9 * 8 + " at "]\n\t"
#define ADD(to) "vadd.i32 " to ", " to ", q7\n\t"
#define STEP(to, before, load, last_load)                                                                              \
    "vmullb.s16 q6, q4, q5\n\t" before "vmullt.s16 q7, q4, q5\n\t" load "vadd.i32 " to ", " to ", q6\n\t" last_load

/* Three taps of two neighbouring pixels: an input stays where it is when the weights change. */
#define ROW_1(row, w1, w2, before, load, last_load)                                                                    \
    STEP("q0", before, X(row, "16"), "")                                                                               \
    STEP("q2", ADD("q1"), W(w1), "")                                                                                   \
    STEP("q0", ADD("q3"), X_ON(row, "32"), "")                                                                         \
    STEP("q2", ADD("q1"), W(w2), "")                                                                                   \
    STEP("q0", ADD("q3"), X(row, "16"), "")                                                                            \
    STEP("q2", ADD("q1"), load, last_load)

/* The same at a stride of 2: the outer taps first. */
#define ROW_2(row, w1, w2, before, load, last_load)                                                                    \
    STEP("q0", before, X(row, "32"), "")                                                                               \
    STEP("q2", ADD("q1"), W(w2), "")                                                                                   \
    STEP("q0", ADD("q3"), X_ON(row, "64"), "")                                                                         \
    STEP("q2", ADD("q1"), W(w1), X(row, "-48"))                                                                        \
    STEP("q0", ADD("q3"), X(row, "-16"), "")                                                                           \
    STEP("q2", ADD("q1"), load, last_load)

/* A tap of one pixel, while the next one is loaded: inputs and weights of every second one are in q2 and q3. */
#define SINGLE(x, w, load, last_load)                                                                                  \
    "vmullb.s16 q6, " x ", " w "\n\t" load "vmullt.s16 q7, " x ", " w "\n\t" last_load                                 \
    "vadd.i32 q0, q0, q6\n\t"                                                                                          \
    "vadd.i32 q1, q1, q7\n\t"
#define EVEN(row, at, tap)                                                                                             \
    SINGLE("q4", "q5", "vldrb.s16 q2, [r" row ", #" at "]\n\t", "vldrb.s16 q3, [r3, #8 * " tap "]\n\t")
#define ODD(row, at, tap)                                                                                              \
    SINGLE("q2", "q3", "vldrb.s16 q4, [r" row ", #" at "]\n\t", "vldrb.s16 q5, [r3, #8 * " tap "]\n\t")
#define WINDOW_SINGLE                                                                                                  \
    EVEN("0", "16", "1")                                                                                               \
    ODD("0", "32", "2")                                                                                                \
    EVEN("1", "0", "3")                                                                                                \
    ODD("1", "16", "4")                                                                                                \
    EVEN("1", "32", "5")                                                                                               \
    ODD("2", "0", "6")                                                                                                 \
    EVEN("2", "16", "7")                                                                                               \
    ODD("2", "32", "8")                                                                                                \
    SINGLE("q4", "q5", NUMBERS("q2", "32"), NUMBERS("q3", "64"))

#define WINDOW(ROW)                                                                                                    \
    ROW("0", "8", "16", "", W("24"), X("1", "0"))                                                                      \
    ROW("1", "32", "40", ADD("q3"), W("48"), X("2", "0"))                                                              \
    ROW("2", "56", "64", ADD("q3"), NUMBERS("q4", "32"), NUMBERS("q5", "64"))                                          \
    ADD("q3")

#define STORE(from) "vpst\n\tvstrbt.16 " from ", [r4]\n\tadd r4, r4, r6\n\t"

/* Sums to results, but for the last shift of the odd channels. `ABOVE` leaves out the -1 of negative sums, which rounds halves
 * away from zero, for clamps that nothing below the offset passes. */
#define TWO_PIXELS_ABOVE                                                                                               \
    "vqrdmulh.s32 q0, q0, q4\n\t" NUMBERS("q6", "48")                                                                  \
    "vqrdmulh.s32 q2, q2, q4\n\t" NUMBERS("q7", "80")                                                                  \
    "vrshl.s32 q0, q0, q5\n\t"                                                                                         \
    "vqrdmulh.s32 q1, q1, q6\n\t"                                                                                      \
    "vrshl.s32 q2, q2, q5\n\t"                                                                                         \
    "vqrdmulh.s32 q3, q3, q6\n\t"

#define TWO_PIXELS_ANY                                                                                                 \
    "vshr.s32 q6, q0, #31\n\t"                                                                                         \
    "vqrdmulh.s32 q0, q0, q4\n\t"                                                                                      \
    "vshr.s32 q7, q2, #31\n\t"                                                                                         \
    "vqrdmulh.s32 q2, q2, q4\n\t"                                                                                      \
    "vadd.i32 q0, q0, q6\n\t" NUMBERS("q6", "48")                                                                      \
    "vadd.i32 q2, q2, q7\n\t" NUMBERS("q7", "80")                                                                      \
    "vrshl.s32 q0, q0, q5\n\t"                                                                                         \
    "vshr.s32 q4, q1, #31\n\t"                                                                                         \
    "vqrdmulh.s32 q1, q1, q6\n\t"                                                                                      \
    "vrshl.s32 q2, q2, q5\n\t"                                                                                         \
    "vshr.s32 q5, q3, #31\n\t"                                                                                         \
    "vqrdmulh.s32 q3, q3, q6\n\t"                                                                                      \
    "vadd.i32 q1, q1, q4\n\t"                                                                                          \
    "vadd.i32 q3, q3, q5\n\t"

/* What two pixels begin with is loaded before, and for the next two at the end. */
#define BEGIN X("0", "0") W("0") NUMBERS("q1", "16")
#define TWO_PIXELS(label, ROW, scaled)                                                                                 \
    label ":\n\t" NUMBERS("q0", "0")                                                                                   \
    "vmov q3, q1\n\t"                                                                                                  \
    "vmov q2, q0\n\t" WINDOW(ROW) scaled                                                                               \
    "vrshl.s32 q1, q1, q7\n\t" X("0", "0")                                                                             \
    "vrshl.s32 q3, q3, q7\n\t" W("0")                                                                                  \
    "vqmovnb.s32 q0, q0\n\t"                                                                                           \
    "vqmovnb.s32 q2, q2\n\t"                                                                                           \
    "vqmovnt.s32 q0, q1\n\t" NUMBERS("q1", "16")                                                                       \
    "vqmovnt.s32 q2, q3\n\t"                                                                                           \
    "vqadd.s16 q0, q0, r8\n\t"                                                                                         \
    "vqmovnb.s16 q0, q0\n\t"                                                                                           \
    "vqadd.s16 q2, q2, r8\n\t" STORE("q0")                                                                             \
    "vqmovnb.s16 q2, q2\n\t" STORE("q2")                                                                               \
    "le lr, " label "b\n\t"

#define ONE_PIXEL                                                                                                      \
    NUMBERS("q0", "0") WINDOW_SINGLE                                                                                   \
    "vshr.s32 q6, q0, #31\n\t"                                                                                         \
    "vqrdmulh.s32 q0, q0, q2\n\t" NUMBERS("q4", "48")                                                                  \
    "vshr.s32 q7, q1, #31\n\t" NUMBERS("q5", "80")                                                                     \
    "vqrdmulh.s32 q1, q1, q4\n\t"                                                                                      \
    "vadd.i32 q0, q0, q6\n\t"                                                                                          \
    "vadd.i32 q1, q1, q7\n\t"                                                                                          \
    "vrshl.s32 q0, q0, q3\n\t"                                                                                         \
    "vrshl.s32 q1, q1, q5\n\t"                                                                                         \
    "vqmovnb.s32 q0, q0\n\t"                                                                                           \
    "vqmovnt.s32 q0, q1\n\t"                                                                                           \
    "vqadd.s16 q0, q0, r8\n\t"                                                                                  \
    "vqmovnb.s16 q0, q0\n\t" STORE("q0")

/* The pixels of a row: pairs in one of four ways, then the last one of an odd number. */
#define ROW_OF_PIXELS                                                                                                  \
    "ldm %[part], {r0-r6, r8-r10}\n\t"                                                                                 \
    "vctp.16 r5\n\t" BEGIN                                                                                             \
    "wls lr, r10, 9f\n\t"                                                                                              \
    "cmp r9, #4\n\t"                                                                                                   \
    "bhs 7f\n\t"                                                                                                       \
    "cmp r9, #2\n\t"                                                                                                   \
    "bhs 2f\n" TWO_PIXELS("1", ROW_1, TWO_PIXELS_ABOVE)                                                                \
    "b 9f\n" TWO_PIXELS("2", ROW_1, TWO_PIXELS_ANY)                                                                    \
    "b 9f\n"                                                                                                           \
    "7:\n\t"                                                                                                           \
    "cmp r9, #6\n\t"                                                                                                   \
    "bhs 4f\n" TWO_PIXELS("3", ROW_2, TWO_PIXELS_ABOVE)                                                                \
    "b 9f\n" TWO_PIXELS("4", ROW_2, TWO_PIXELS_ANY)                                                                    \
    "9:\n\t"                                                                                                           \
    "lsls r9, r9, #31\n\t"                                                                                             \
    "beq 8f\n\t" ONE_PIXEL                                                                                             \
    "8:\n\t"                                                                                                           \
    "str r4, [%[part], #16]\n\t"
    /* clang-format on */

#endif

#endif
