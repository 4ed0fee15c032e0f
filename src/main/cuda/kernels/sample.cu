/*
 * A token per row from its logits: the best one, or a draw from what temperature, min-p, top-k and top-p leave, in that order.
 *
 *   ids          [rows] int; -1 if the logits contain NaN or plus infinity, or are all minus infinity
 *   logits       [rows, vocabulary] float, after penalties
 *   temperature, top_p, min_p  [rows] float; temperature below 1e-5 takes the best, top_p 1 and min_p 0 are off
 *   top_k        [rows] int; 0 is off
 *   seeds        [rows] u64;  positions [rows] int: number of the output token, so draw i of a seed is the same in any batch
 *
 * Weight of id: w = exp((logit - largest) / temperature). Kept: w >= min_p, then the top_k heaviest, then the heaviest until
 * they have top_p of what is left; lower ids first among equals. The token is the id with the largest
 *   log w - log(e),  e = -log(1 - v) and v in (0, 1) from the hash of (seed, position, id):
 * the Gumbel trick, a draw in proportion to w without a sum over w. Shares for top_p are sums of integers, w * 2^40, so the
 * order of additions does not matter. Another random stream than the CPU's Sampler, the same distribution.
 *
 * Both kernels: grid (rows), block 1024. Reference: sampling.Sampler; SeededRandom for the hash.
 */
#include "ranking.cuh"

constexpr int BINS = 2048;
constexpr float BINS_PER_UNIT = 64; // of logits: spreads a vocabulary over some hundred bins, so few threads meet in one
constexpr u64 GOLDEN_GAMMA = 0x9E3779B97F4A7C15ull;

__device__ __forceinline__ u64 mix(u64 z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/** One row's distribution. What is kept lies above a limit: in a better bin, or in the limit's bin with at least its key. */
struct Choice {
    const float* logits;
    int vocabulary;
    float largest, temperature, min_p;
    int limit_bin;
    u64 limit_key;

    __device__ __forceinline__ int bin(float x) const {
        return static_cast<int>(fminf((largest - x) * BINS_PER_UNIT, BINS - 1.0f)); // 0 is the best
    }

    __device__ __forceinline__ float weight(float x) const {
        return expf((x - largest) / temperature);
    }

    __device__ __forceinline__ bool keeps(float x, int id, float w) const {
        int b = bin(x);
        return w > 0 && w >= min_p && (b < limit_bin || (b == limit_bin && key_of(x, id) >= limit_key));
    }

    /** Of what is kept: the number, or the sum of weights as integers. */
    __device__ __forceinline__ u64 measure(float w, bool by_weight) const {
        return by_weight ? static_cast<u64>(w * 1099511627776.0f) : 1;
    }

    __device__ __forceinline__ u64 total(bool by_weight) const {
        u64 sum = 0;
        each_logit(logits, vocabulary, [&](float x, int id) {
            float w = weight(x);
            sum += keeps(x, id, w) ? measure(w, by_weight) : 0;
        });
        return block_count(sum);
    }

    /** Raises the limit so that the fewest of the best stay whose measures reach the target, which is at least 1. */
    __device__ void restrict_to(u64 target, bool by_weight);
};

/**
 * From the largest down, the bin in which the sum of counts reaches the target; by all threads. Takes the bins above from
 * the target; sets exact if the bin is needed as a whole.
 */
__device__ __forceinline__ int find_bin(const u64* counts, u64* target, bool* exact) {
    __shared__ u64 sums[WARP];
    __shared__ int found;
    __shared__ u64 rest;
    constexpr int SHARE = BINS / WARP;
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    u64 sum = counts[warp * SHARE + lane] + counts[warp * SHARE + WARP + lane];
#pragma unroll
    for (int by = WARP / 2; by > 0; by /= 2) {
        sum += __shfl_xor_sync(ALL_LANES, sum, by);
    }
    if (lane == 0) {
        sums[warp] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        u64 left = *target;
        int share = WARP - 1;
        while (share > 0 && sums[share] < left) {
            left -= sums[share--];
        }
        int b = share * SHARE + SHARE - 1;
        while (b > share * SHARE && counts[b] < left) {
            left -= counts[b--];
        }
        found = b;
        rest = left;
    }
    __syncthreads();
    *target = rest;
    *exact = counts[found] <= rest;
    int b = found;
    __syncthreads(); // counts and results are free again
    return b;
}

/** Where a pass's digit begins in the key: 11, 11 and 10 bits of the logit, 10, 11 and 11 of the id. */
__device__ __forceinline__ int lowest_bit(int pass) {
    return pass <= 0 ? 64 : static_cast<int>(0x0b16202a35ull >> 8 * (pass - 1) & 0xff);
}

__device__ void Choice::restrict_to(u64 target, bool by_weight) {
    __shared__ u64 counts[BINS];
    // First by bins of equal width, then within the bin by the digits of the key, most significant first.
    int target_bin = -1;
    u64 prefix = 0;
    bool exact = false;
    for (int pass = 0; pass <= 6 && !exact; pass++) {
        int shift = lowest_bit(pass);
        int above = lowest_bit(pass - 1);
        for (int i = threadIdx.x; i < BINS; i += blockDim.x) {
            counts[i] = 0;
        }
        __syncthreads();
        each_logit(logits, vocabulary, [&](float x, int id) {
            int b = bin(x);
            u64 key = key_of(x, id);
            bool candidate = pass == 0 || (b == target_bin && (pass == 1 || key >> above == prefix >> above));
            float w = candidate ? weight(x) : 0;
            if (candidate && keeps(x, id, w)) {
                u64 amount = measure(w, by_weight);
                int digit = pass == 0 ? BINS - 1 - b : static_cast<int>(key >> shift & ((1ull << (above - shift)) - 1));
                if (amount > 0) {
                    atomicAdd(counts + digit, amount);
                }
            }
        });
        __syncthreads();
        int digit = find_bin(counts, &target, &exact);
        if (pass == 0) {
            target_bin = BINS - 1 - digit;
        } else {
            prefix |= static_cast<u64>(digit) << shift;
        }
    }
    // An exact bin is exact within the former limit, which stays.
    limit_key = target_bin == limit_bin ? max(prefix, limit_key) : prefix;
    limit_bin = target_bin;
}

SLUICE_KERNEL __launch_bounds__(1024, 1) sample_greedy(int* ids, const float* logits, int vocabulary) {
    begin_after_previous();
    u64 best = best_key(logits + static_cast<i64>(blockIdx.x) * vocabulary, vocabulary);
    if (threadIdx.x == 0) {
        ids[blockIdx.x] = is_usable(best) ? id_of(best) : -1;
    }
}

SLUICE_KERNEL __launch_bounds__(1024, 1) sample(
    int* ids, const float* logits, const float* temperature, const int* top_k, const float* top_p, const float* min_p,
    const u64* seeds, const int* positions, int vocabulary) {
    begin_after_previous();
    int r = blockIdx.x;
    const float* row = logits + static_cast<i64>(r) * vocabulary;
    u64 best = best_key(row, vocabulary);
    if (!is_usable(best) || temperature[r] < 1e-5f) {
        if (threadIdx.x == 0) {
            ids[r] = is_usable(best) ? id_of(best) : -1;
        }
        return;
    }
    Choice choice{row, vocabulary, row[id_of(best)], temperature[r], min_p[r], BINS - 1, 0};
    if (top_k[r] > 0 && top_k[r] < vocabulary && choice.total(false) > static_cast<u64>(top_k[r])) {
        choice.restrict_to(top_k[r], false);
    }
    if (top_p[r] < 1) {
        double enough = ceil(static_cast<double>(top_p[r]) * static_cast<double>(choice.total(true)));
        choice.restrict_to(enough < 1 ? 1 : static_cast<u64>(enough), true);
    }
    u64 stream = mix(mix(seeds[r] + GOLDEN_GAMMA) + GOLDEN_GAMMA * (positions[r] + 1ull));
    u64 winner = 0;
    each_logit(row, vocabulary, [&](float x, int id) {
        if (choice.keeps(x, id, choice.weight(x))) {
            // The winner has a small e: v is the side of the uniform number that is precise near zero.
            float v = (static_cast<float>(mix(stream + GOLDEN_GAMMA * (id + 1ull)) >> 32) + 0.5f) * 0x1p-32f;
            float score = (x - choice.largest) / choice.temperature - logf(-log1pf(-fminf(v, 0.99999994f)));
            winner = max(winner, key_of(score, id));
        }
    });
    winner = block_max(winner);
    if (threadIdx.x == 0) {
        ids[r] = id_of(winner);
    }
}
