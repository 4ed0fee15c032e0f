/*
 * Matrix product for few rows, bound by the bytes of the weights: C[M, N] = A[M, K] * W[N, K]^T, fp32 sums.
 *
 *   c  [M, N]  T, or float for logits (names with _f32)
 *   a  [M, K]  T: M at most 8 (gemm_skinny8) or 16 (gemm_skinny16)
 *   w  [N, K]  T, row-major: as checkpoints have it
 *   K  a multiple of 8; N any; all addresses multiples of 16
 *
 * A warp computes 8 columns over all of K: the weights stream through its ring of 32 x 512 bytes in shared memory, each lane
 * reading back only what it copied itself, so there is no barrier. Four warps a block keep 64 KiB in flight. A is small
 * and stays in the caches. Grid (ceil(N / 32)), block 128, shared 65,536 bytes.
 *
 * Bits: the same as gemm.cu for the same A row and W (gemm_step.cuh). Reference: executor.cpu.ScalarOps.multiplyRow.
 */
#include "gemm_step.cuh"

constexpr int RING = 32;  // chunks
constexpr int AHEAD = 4;  // chunks of A in registers: enough for the latency of the nearest cache
constexpr int WARPS = 4;

/** 16 bytes of a row, zeros behind its end. */
__device__ __forceinline__ uint4 load_or_zero(const uint4* row, int word, int words) {
    return row != nullptr && word < words ? __ldg(row + word) : make_uint4(0, 0, 0, 0);
}

template <class T, class Out, bool sixteen>
__device__ __forceinline__ void gemm_skinny(Out* c, const uint4* a, const uint4* w, int m, int n, int k) {
    SLUICE_DYNAMIC_SHARED(shared);
    int lane = threadIdx.x % WARP;
    int g = lane / 4;
    int t = lane % 4;
    int first = (blockIdx.x * WARPS + threadIdx.x / WARP) * 8;
    int words = k / 8;
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
    uint4 next_low[AHEAD];
    uint4 next_high[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
        next_low[i] = load_or_zero(low, i * 4 + t, words);
        next_high[i] = load_or_zero(high, i * 4 + t, words);
    }
    float sums[4] = {0, 0, 0, 0};
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
        store_pair(c, g, column, n, sums[0], sums[1]);
    }
    if (sixteen && g + 8 < m) {
        store_pair(c, g + 8, column, n, sums[2], sums[3]);
    }
}

#define GEMM_SKINNY(name, T, Out, rows)                                                                                \
    SLUICE_KERNEL __launch_bounds__(128)                                                                               \
        gemm_skinny##rows##_##name(Out* c, const uint4* a, const uint4* w, int m, int n, int k) {                      \
        gemm_skinny<T, Out, rows == 16>(c, a, w, m, n, k);                                                             \
    }

GEMM_SKINNY(bf16, Bf16, Bf16, 8)
GEMM_SKINNY(bf16, Bf16, Bf16, 16)
GEMM_SKINNY(bf16_f32, Bf16, float, 8)
GEMM_SKINNY(bf16_f32, Bf16, float, 16)
GEMM_SKINNY(fp16, Fp16, Fp16, 8)
GEMM_SKINNY(fp16, Fp16, Fp16, 16)
GEMM_SKINNY(fp16_f32, Fp16, float, 8)
GEMM_SKINNY(fp16_f32, Fp16, float, 16)
