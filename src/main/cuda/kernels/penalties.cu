/*
 * What has been said before shifts the logits: bias, masked ids, repetition, frequency and presence penalty, in this order.
 *
 *   logits       [rows, vocabulary]   float, in place
 *   bias_starts  [rows + 1] int: entries of row r are bias_starts[r] .. bias_starts[r + 1] of bias_ids (int, no id twice in a
 *                row) and bias_values (float)
 *   mask_starts  [rows + 1] int, likewise for mask_ids: logits become minus infinity (end tokens before the minimum length)
 *   history      [slots, vocabulary]  u32: bit 31: in the prompt; lower bits: times in the output
 *   slots        [rows] int: the row of history, or negative for no penalties
 *   repetition, frequency, presence  [rows] float; 1, 0, 0 are off
 * Ids outside the vocabulary are ignored. Grid (rows), block 1024.
 *
 * record_tokens keeps the history: tokens starts[r] .. starts[r + 1] of row r are noted in slots[r] (negative: not at all), as
 * output or as prompt. Grid (rows), block 256. A new request's slot is filled with zeros first.
 * Reference: sampling.Penalties.
 */
#include "types.cuh"

constexpr u32 IN_PROMPT = 0x80000000u;

SLUICE_KERNEL __launch_bounds__(1024) adjust_logits(
    float* logits, const int* bias_starts, const int* bias_ids, const float* bias_values, const int* mask_starts,
    const int* mask_ids, const u32* history, const int* slots, const float* repetition, const float* frequency,
    const float* presence, int vocabulary) {
    begin_after_previous();
    int r = blockIdx.x;
    float* row = logits + static_cast<i64>(r) * vocabulary;
    for (int i = bias_starts[r] + threadIdx.x; i < bias_starts[r + 1]; i += blockDim.x) {
        if (static_cast<u32>(bias_ids[i]) < static_cast<u32>(vocabulary)) {
            row[bias_ids[i]] += bias_values[i];
        }
    }
    __syncthreads();
    for (int i = mask_starts[r] + threadIdx.x; i < mask_starts[r + 1]; i += blockDim.x) {
        if (static_cast<u32>(mask_ids[i]) < static_cast<u32>(vocabulary)) {
            row[mask_ids[i]] = MINUS_INFINITY;
        }
    }
    __syncthreads();
    if (slots[r] < 0) {
        return; // the whole block
    }
    const u32* seen = history + static_cast<i64>(slots[r]) * vocabulary;
    for (int id = threadIdx.x; id < vocabulary; id += blockDim.x) {
        u32 times = seen[id];
        if (times != 0) {
            float x = row[id];
            x = x > 0 ? x / repetition[r] : x * repetition[r];
            u32 outputs = times & ~IN_PROMPT;
            if (outputs > 0) {
                x -= frequency[r] * outputs + presence[r];
            }
            row[id] = x;
        }
    }
}

SLUICE_KERNEL __launch_bounds__(256) record_tokens(
    u32* history, const int* slots, const int* starts, const int* tokens, int are_output, int vocabulary) {
    begin_after_previous();
    int r = blockIdx.x;
    if (slots[r] < 0) {
        return;
    }
    u32* seen = history + static_cast<i64>(slots[r]) * vocabulary;
    for (int i = starts[r] + threadIdx.x; i < starts[r + 1]; i += blockDim.x) {
        u32 id = static_cast<u32>(tokens[i]);
        if (id < static_cast<u32>(vocabulary)) {
            if (are_output) {
                atomicAdd(seen + id, 1u);
            } else {
                atomicOr(seen + id, IN_PROMPT);
            }
        }
    }
}
