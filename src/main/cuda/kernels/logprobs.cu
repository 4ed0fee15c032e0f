/*
 * Log-probabilities of the chosen token and of the best ones, of the logits as the model gave them.
 *
 *   log p[id] = logits[id] - log(sum over all of exp(logits))
 *
 *   chosen   [rows] float: of ids[r]; NaN if ids[r] is negative
 *   best     [rows, places] float, best_ids [rows, places] int: the counts[r] best, best first, the lower id among equals;
 *            places behind stay as they are
 *   logits   [rows, vocabulary] float, before penalties: where penalties follow, a copy
 *   ids      [rows] int;  counts [rows] int, at most places and vocabulary; negative: the row is left out
 *
 * Finds the best one after the other, a scan each: made for some twenty of them. Grid (rows), block 1024.
 * Reference: sampling.Logprobs.
 */
#include "ranking.cuh"

SLUICE_KERNEL __launch_bounds__(1024) logprobs(
    float* chosen, float* best, int* best_ids, const float* logits, const int* ids, const int* counts, int places,
    int vocabulary) {
    begin_after_previous();
    int r = blockIdx.x;
    if (counts[r] < 0) {
        return;
    }
    const float* row = logits + static_cast<i64>(r) * vocabulary;
    u64 key = best_key(row, vocabulary);
    if (!is_usable(key)) {
        return; // the token was refused
    }
    float largest = row[id_of(key)];
    float sum = 0;
    for (int id = threadIdx.x; id < vocabulary; id += blockDim.x) {
        sum += expf(row[id] - largest);
    }
    float log_sum = largest + logf(block_sum(sum));
    if (threadIdx.x == 0) {
        chosen[r] = ids[r] < 0 ? NOT_A_NUMBER : row[ids[r]] - log_sum;
    }
    for (int place = 0; place < counts[r]; place++) {
        int id = id_of(key);
        if (threadIdx.x == 0) {
            best[static_cast<i64>(r) * places + place] = row[id] - log_sum;
            best_ids[static_cast<i64>(r) * places + place] = id;
        }
        u64 next = 0;
        for (int i = threadIdx.x; i < vocabulary; i += blockDim.x) {
            u64 other = key_of(row[i], i);
            next = other < key ? max(next, other) : next;
        }
        key = block_max(next);
    }
}
