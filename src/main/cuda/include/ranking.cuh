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

/**
 * Calls visit(logit, id) for a row, all threads of the block together; in no particular order. Loads are of 16 bytes, and
 * WORDS of a thread are on their way at a time: a row has one block, which has to keep its multiprocessor's memory busy.
 */
template <class Visit>
__device__ __forceinline__ void each_logit(const float* logits, int vocabulary, Visit visit) {
    constexpr int WORDS = 4;
    // A row of a matrix begins at any multiple of 4 bytes: single logits up to the next of 16, and behind the last.
    int before = min(static_cast<int>(-reinterpret_cast<u64>(logits) / 4 % 4), vocabulary);
    int words = (vocabulary - before) / 4;
    int behind = before + words * 4;
    int thread = threadIdx.x;
    int threads = blockDim.x;
    if (thread < before) {
        visit(logits[thread], thread);
    }
    if (thread < vocabulary - behind) {
        visit(logits[behind + thread], behind + thread);
    }
    const float4* from = reinterpret_cast<const float4*>(logits + before);
    for (int first = thread; first < words; first += WORDS * threads) {
        float4 word[WORDS];
#pragma unroll
        for (int i = 0; i < WORDS; i++) {
            if (first + i * threads < words) {
                word[i] = from[first + i * threads];
            }
        }
#pragma unroll
        for (int i = 0; i < WORDS; i++) {
            int id = before + (first + i * threads) * 4;
            if (first + i * threads < words) {
                visit(word[i].x, id);
                visit(word[i].y, id + 1);
                visit(word[i].z, id + 2);
                visit(word[i].w, id + 3);
            }
        }
    }
}

/** Key of the best logit of a row; UNUSABLE if one is. By all threads of the block. */
__device__ __forceinline__ u64 best_key(const float* logits, int vocabulary) {
    u64 best = 0;
    each_logit(logits, vocabulary, [&](float x, int id) {
        best = max(best, x < -MINUS_INFINITY ? key_of(x, id) : UNUSABLE);
    });
    return block_max(best);
}

/** True if the best leaves something to choose. */
__device__ __forceinline__ bool is_usable(u64 best) {
    return best != UNUSABLE && best >> 32 > ordered(MINUS_INFINITY);
}
