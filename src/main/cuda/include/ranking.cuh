/*
 * Logits as keys: larger logits have larger keys, and among equals the lower id. So "best", "k best" and "the best whose share
 * reaches p" are the same everywhere, as in sampling.Sampler of the CPU.
 */
#pragma once
#include "reduce.cuh"

constexpr u64 UNUSABLE = ~0ull; // NaN or plus infinity: larger than every key

__device__ __forceinline__ u32 ordered(float f) {
    u32 bits = __float_as_uint(f + 0.0f); // minus zero counts as zero
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

__device__ __forceinline__ u64 key_of(float f, int id) {
    return static_cast<u64>(ordered(f)) << 32 | ~static_cast<u32>(id);
}

__device__ __forceinline__ int id_of(u64 key) {
    return static_cast<int>(~static_cast<u32>(key));
}

/** Key of the best logit of a row; UNUSABLE if one is. By all threads of the block. */
__device__ __forceinline__ u64 best_key(const float* logits, int vocabulary) {
    u64 best = 0;
    for (int id = threadIdx.x; id < vocabulary; id += blockDim.x) {
        float x = logits[id];
        best = max(best, x < -MINUS_INFINITY ? key_of(x, id) : UNUSABLE);
    }
    return block_max(best);
}

/** True if the best leaves something to choose. */
__device__ __forceinline__ bool is_usable(u64 best) {
    return best != UNUSABLE && best >> 32 > ordered(MINUS_INFINITY);
}
