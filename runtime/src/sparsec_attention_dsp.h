/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Attention on cores with DSP instructions, four queries at once: their scores lie next to each other for each key, and their
 * probabilities as halves, those of two neighbouring keys in a word.
 */

#ifndef SPARSEC_ATTENTION_DSP_H
#define SPARSEC_ATTENTION_DSP_H

#include "sparsec_attention.h"

#if defined(SPARSEC_MATMUL_DSP)
    #define SPARSEC_ATTENTION

    #define ROWS SPARSEC_ROWS

/* Some queries of a head, four at most, and what they are worked on with. `mask` is that of the first one, or NULL. */
typedef struct
{
    const sparsec_attention_params *params;
    const sparsec_attention_sizes *sizes;
    const int32_t *exponentials;
    const int8_t *mask;
    int32_t mask_row;
    int32_t rows;
    int32_t seen[ROWS];
    int32_t sums[ROWS];
    int16_t *halves;
    int8_t *scores;
} block_t;

/* The scores of each key, those of four queries next to each other, and -128 where a query sees no key. */
static void compute_scores(const block_t *const block, const int8_t *key, const int32_t key_row)
{
    const sparsec_matmul_params *const params = &block->params->scores;
    const sparsec_doubled scale = sparsec_doubled_of(params);
    int32_t start[ROWS];
    for (int32_t i = 0; i < ROWS; i++)
    {
        start[i] = params->rhs_offset * block->sums[i];
    }
    int8_t *scores = block->scores;
    for (int32_t j = 0; j < block->sizes->keys; j++)
    {
        int32_t acc[ROWS] = {start[0], start[1], start[2], start[3]};
        for (int32_t i = 0; block->mask != NULL && i < block->rows; i++)
        {
            acc[i] += 2 * block->params->mask_factor * block->mask[i * block->mask_row + j];
        }
        sparsec_dots_along(block->halves, key, block->sizes->width, acc);
        for (int32_t i = 0; i < ROWS; i++)
        {
            scores[i] = sparsec_doubled_output(acc[i], scale, params);
        }
        scores += ROWS;
        key += key_row;
    }
    for (int32_t i = 0; i < block->rows; i++)
    {
        const int8_t *const mask = block->mask == NULL ? NULL : block->mask + i * block->mask_row;
        for (int32_t j = mask == NULL ? block->seen[i] : 0; j < block->sizes->keys; j++)
        {
            if (j >= block->seen[i] || mask[j] == SPARSEC_HIDDEN)
            {
                block->scores[ROWS * j + i] = -128;
            }
        }
    }
}

/* The largest score of each query. */
static void find_largest(const int8_t *scores, const int32_t keys, int8_t *const largest)
{
    int32_t found = arm_nn_read_s8x4_ia(&scores);
    for (int32_t j = 1; j < keys; j++)
    {
        const int32_t next = arm_nn_read_s8x4_ia(&scores);
        int32_t difference;
        __ASM("ssub8 %[difference], %[next], %[found]\n\t"
              "sel %[found], %[next], %[found]" : [found] "+r"(found),
              [difference] "=&r"(difference) : [next] "r"(next));
    }
    memcpy(largest, &found, ROWS);
}

    /* value + byte I of a word, which has a sign. */
    #define ADD_BYTE(RESULT, VALUE, WORD, I) __ASM("sxtab %0, %1, %2, ror #" #I : "=r"(RESULT) : "r"(VALUE), "r"(WORD))

/* exp of a score rounded to what is summed up: added to `sum`. */
static inline int32_t add_rounded(const int32_t exponential, const int32_t sum)
{
    return sparsec_smmlar(exponential, 1 << (32 - SPARSEC_SUM_BITS), sum);
}

/* Sums of exp of the scores of the first `keys` keys. */
static void sum_exponentials(const int32_t *const exponentials,
                             const int8_t *scores,
                             const int32_t keys,
                             const int8_t *const largest,
                             int32_t *const sums)
{
    int32_t found[ROWS] = {0, 0, 0, 0};
    /* largest - score is (largest + 1) + ~score. */
    const int32_t from[ROWS] = {largest[0] + 1, largest[1] + 1, largest[2] + 1, largest[3] + 1};
    for (int32_t j = 0; j < keys; j++)
    {
        const int32_t word = ~arm_nn_read_s8x4_ia(&scores);
        int32_t at;
        ADD_BYTE(at, from[0], word, 0);
        found[0] = add_rounded(exponentials[at], found[0]);
        ADD_BYTE(at, from[1], word, 8);
        found[1] = add_rounded(exponentials[at], found[1]);
        ADD_BYTE(at, from[2], word, 16);
        found[2] = add_rounded(exponentials[at], found[2]);
        ADD_BYTE(at, from[3], word, 24);
        found[3] = add_rounded(exponentials[at], found[3]);
    }
    memcpy(sums, found, sizeof(found));
}

/* Probabilities of row `i` of the first `keys` keys; their sum. */
static int32_t compute_probabilities(const block_t *const block,
                                     const int32_t i,
                                     const int32_t keys,
                                     const int32_t largest,
                                     const int32_t sum)
{
    const sparsec_share share = sparsec_share_of(sum);
    /* Twice the reciprocal, less 2^32: e * that + e * 2^32 is twice the product. */
    const int32_t twice = (int32_t)((uint32_t)share.reciprocal << 1);
    const int32_t half = 1 << (share.right - 1);
    const int8_t *score = block->scores + i;
    int16_t *probability = block->halves + 2 * i;
    int32_t total = 0;
    #pragma GCC unroll 2
    for (int32_t j = 0; j < keys; j++)
    {
        const int32_t exponential = block->exponentials[largest - *score];
        const uint32_t product = (uint32_t)sparsec_smmlar(exponential, twice, exponential + half);
        const int32_t result = (int32_t)(product >> share.right);
        const int32_t found = result > 255 ? 255 : result;
        *probability = (int16_t)found;
        total += found;
        score += ROWS;
        probability += j & 1 ? 2 * ROWS - 1 : 1;
    }
    return total;
}

/* The same with a mask. */
static int32_t
compute_some_probabilities(const block_t *const block, const int32_t i, const int32_t keys, const int32_t largest)
{
    const int8_t *const mask = block->mask + i * block->mask_row;
    int32_t sum = 0;
    for (int32_t j = 0; j < keys; j++)
    {
        if (mask[j] != SPARSEC_HIDDEN)
        {
            sum = add_rounded(block->exponentials[largest - block->scores[ROWS * j + i]], sum);
        }
    }
    if (sum == 0 || sum >= SPARSEC_LARGE_SUM)
    {
        return 0;
    }
    int32_t total = compute_probabilities(block, i, keys, largest, sum);
    for (int32_t j = 0; j < keys; j++)
    {
        if (mask[j] == SPARSEC_HIDDEN)
        {
            int16_t *const probability = block->halves + sparsec_half_across(i, j);
            total -= *probability;
            *probability = 0;
        }
    }
    return total;
}

/* Scores to probabilities, two neighbouring keys of a query in a word, and their sums. */
static void softmax(block_t *const block)
{
    const int32_t keys = block->sizes->keys;
    int8_t largest[ROWS];
    int32_t sums[ROWS];
    find_largest(block->scores, keys, largest);
    /* The first query sees least. */
    const int32_t common = block->mask == NULL ? block->seen[0] : 0;
    sum_exponentials(block->exponentials, block->scores, common, largest, sums);
    for (int32_t i = 0; i < ROWS; i++)
    {
        const int32_t seen = i < block->rows ? block->seen[i] : 0;
        int32_t total = 0;
        if (block->mask != NULL && seen > 0)
        {
            total = compute_some_probabilities(block, i, seen, largest[i]);
        }
        else if (seen > 0)
        {
            for (int32_t j = common; j < seen; j++)
            {
                sums[i] = add_rounded(block->exponentials[largest[i] - block->scores[ROWS * j + i]], sums[i]);
            }
            if (sums[i] < SPARSEC_LARGE_SUM)
            {
                total = compute_probabilities(block, i, seen, largest[i], sums[i]);
            }
        }
        for (int32_t j = total == 0 ? 0 : seen; j < keys; j++)
        {
            block->halves[sparsec_half_across(i, j)] = 0;
        }
        block->sums[i] = total;
    }
}

/* Two columns of the output, which are neighbours. */
static void combine_two(const block_t *const block,
                        const sparsec_doubled scale,
                        const int8_t *const value,
                        const int32_t value_row,
                        int8_t *output,
                        const int32_t output_row)
{
    const sparsec_matmul_params *const params = &block->params->values;
    sparsec_across two = {.halves = block->halves, .columns = value, .step = value_row};
    for (int32_t i = 0; i < ROWS; i++)
    {
        two.acc[i] = params->rhs_offset * block->sums[i];
        two.acc[ROWS + i] = two.acc[i];
    }
    sparsec_dots_across(&two, block->sizes->keys);
    for (int32_t i = 0; i < block->rows; i++)
    {
        output[0] = sparsec_doubled_output(2 * two.acc[i], scale, params);
        output[1] = sparsec_doubled_output(2 * two.acc[ROWS + i], scale, params);
        output += output_row;
    }
}

/* A column of the output. */
static void combine_one(const block_t *const block,
                        const sparsec_doubled scale,
                        const int8_t *const value,
                        const int32_t value_row,
                        int8_t *output,
                        const int32_t output_row)
{
    const sparsec_matmul_params *const params = &block->params->values;
    for (int32_t i = 0; i < block->rows; i++)
    {
        int32_t sum = params->rhs_offset * block->sums[i];
        for (int32_t j = 0; j < block->sizes->keys; j++)
        {
            sum += block->halves[sparsec_half_across(i, j)] * value[j * value_row];
        }
        *output = sparsec_doubled_output(2 * sum, scale, params);
        output += output_row;
    }
}

static void combine(const block_t *const block,
                    const int8_t *const value,
                    const int32_t value_row,
                    int8_t *const output,
                    const int32_t output_row)
{
    const sparsec_doubled scale = sparsec_doubled_of(&block->params->values);
    const int32_t width = block->sizes->value_width;
    for (int32_t c = 0; c + 2 <= width; c += 2)
    {
        combine_two(block, scale, value + c, value_row, output + c, output_row);
    }
    if (width % 2 != 0)
    {
        combine_one(block, scale, value + width - 1, value_row, output + width - 1, output_row);
    }
}

/* All queries of a head. `mask` is that of the first one, or NULL. */
static void attend(const sparsec_attention_params *const params,
                   const sparsec_attention_sizes *const sizes,
                   const int8_t *query,
                   const int32_t query_row,
                   const int8_t *const key,
                   const int32_t key_row,
                   const int8_t *const value,
                   const int32_t value_row,
                   const int8_t *mask,
                   const int32_t mask_row,
                   const int32_t *const exponentials,
                   int8_t *const scratch,
                   int8_t *output,
                   const int32_t output_row)
{
    block_t block = {.params = params,
                     .sizes = sizes,
                     .exponentials = exponentials,
                     .mask_row = mask_row,
                     .halves = (int16_t *)(void *)(scratch + ROWS * sizes->keys),
                     .scores = scratch};
    for (int32_t done = 0; done < sizes->queries; done += ROWS)
    {
        block.mask = mask;
        block.rows = sizes->queries - done < ROWS ? sizes->queries - done : ROWS;
        for (int32_t i = 0; i < block.rows; i++)
        {
            block.seen[i] = sparsec_keys_seen(params, sizes, done + i);
        }
        sparsec_widen_rows(query,
                           query_row,
                           1,
                           block.rows,
                           sizes->width,
                           params->scores.lhs_offset,
                           true,
                           block.halves,
                           block.sums);
        compute_scores(&block, key, key_row);
        softmax(&block);
        combine(&block, value, value_row, output, output_row);
        query += ROWS * query_row;
        mask = mask == NULL ? NULL : mask + ROWS * mask_row;
        output += ROWS * output_row;
    }
}

#endif

#endif
