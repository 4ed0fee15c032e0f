/* Matrix products of few rows: the body of gemm_skinny.cu and of its quantised kin, which give the shapes. */
#pragma once
#include "gemm_step.cuh"

constexpr int RING = 32;  // chunks
constexpr int AHEAD = 4;  // chunks of A in registers: enough for the latency of the nearest cache
constexpr int WARPS = 4;

/** 16 bytes of a row, zeros behind its end. */
__device__ __forceinline__ uint4 load_or_zero(const uint4* row, int word, int words) {
    return row != nullptr && word < words ? row[word] : make_uint4(0, 0, 0, 0);
}

template <class T, bool sixteen, class Out, class Scale>
__device__ __forceinline__ void gemm_skinny(Out* c, const uint4* a, const uint4* w, Scale scale, int m, int n, int k) {
    let_next_begin();
    SLUICE_DYNAMIC_SHARED(shared);
    int lane = threadIdx.x % WARP;
    int g = lane / 4;
    int t = lane % 4;
    int first = (blockIdx.x * WARPS + threadIdx.x / WARP) * 8;
    int words = k / static_cast<int>(16 / sizeof(T));
    constexpr int CHUNK = 64 / sizeof(T); // k
    int chunks = (k + CHUNK - 1) / CHUNK;
    uint4* ring = reinterpret_cast<uint4*>(shared) + threadIdx.x / WARP * RING * WARP + lane;
    bool inside = first + g < n;
    const uint4* from = w + static_cast<i64>(inside ? first + g : 0) * words;
    const uint4* low = g < m ? a + static_cast<i64>(g) * words : nullptr;
    const uint4* high = sixteen && g + 8 < m ? a + static_cast<i64>(g + 8) * words : nullptr;

    for (int chunk = 0; chunk < RING - 1; chunk++) {
        int word = chunk * 4 + t;
        copy_async_16(ring + chunk * WARP, from + (word < words ? word : 0), inside && word < words);
        commit_copies();
    }
    wait_for_previous(); // the weights are there already
    uint4 next_low[AHEAD];
    uint4 next_high[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
        next_low[i] = load_or_zero(low, i * 4 + t, words);
        next_high[i] = load_or_zero(high, i * 4 + t, words);
    }
    typename T::Sum sums[4] = {0, 0, 0, 0};
    for (int chunk = 0; chunk < chunks; chunk += AHEAD) {
        uint4 now_low[AHEAD];
        uint4 now_high[AHEAD];
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            now_low[i] = next_low[i];
            now_high[i] = next_high[i];
            int word = (chunk + AHEAD + i) * 4 + t;
            next_low[i] = load_or_zero(low, word, words);
            next_high[i] = load_or_zero(high, word, words);
        }
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            // Chunks behind the end are zeros in A and in the ring, and the products are skipped for the sake of -0.
            wait_for_copies<RING - 2>();
            uint4 weights = ring[(chunk + i) % RING * WARP];
            int word = (chunk + i + RING - 1) * 4 + t;
            copy_async_16(
                ring + (chunk + i + RING - 1) % RING * WARP, from + (word < words ? word : 0), inside && word < words);
            commit_copies();
            if (chunk + i < chunks) {
                multiply_chunk<T>(sums, now_low[i], now_high[i], weights);
            }
        }
    }
    int column = first + 2 * t;
    if (g < m) {
        store_pair(c, scale, g, column, n, sums[0], sums[1]);
    }
    if (sixteen && g + 8 < m) {
        store_pair(c, scale, g + 8, column, n, sums[2], sums[3]);
    }
}
