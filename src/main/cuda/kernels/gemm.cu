/*
 * Matrix product on the tensor cores: C[M, N] = A[M, K] * W[N, K]^T, fp32 sums.
 *
 *   c  [M, N]  T, or float for logits (names with _f32)
 *   a  [M, K]  T
 *   w  [N, K]  T, row-major: as checkpoints have it
 *   K  a multiple of 8; M, N any; all addresses multiples of 16
 *
 * A block computes a tile of C; 32 k of A and W at a time come through a ring of four stages of asynchronous copies. Rows of a
 * stage are 64 bytes without padding: the eight lanes that load 16 bytes together read 128 neighbouring bytes, so no two
 * meet in a bank. Blocks walk over C in stripes of 16 tiles of rows, so that what runs at the same time shares A and W in L2.
 *   gemm_64x64    grid (ceil(M / 64) * ceil(N / 64)),    block 128, shared  32,768 bytes: for M up to some hundred
 *   gemm_128x128  grid (ceil(M / 128) * ceil(N / 128)),  block 256, shared  65,536 bytes
 *
 * Bits: a row of C depends on its row of A and on W alone, and is the same from both tiles and from gemm_skinny.cu
 * (gemm_step.cuh). Reference: executor.cpu.ScalarOps.multiplyTile.
 */
#include "gemm_tile.cuh"

#define GEMM(name, T, Out)                                                                                             \
    SLUICE_KERNEL __launch_bounds__(128)                                                                               \
        gemm_64x64_##name(Out* c, const uint4* a, const uint4* w, int m, int n, int k) {                               \
        gemm<T, 64, 64, 32, 32>(c, a, w, Unscaled(), m, n, k);                                                         \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(256, 2)                                                                            \
        gemm_128x128_##name(Out* c, const uint4* a, const uint4* w, int m, int n, int k) {                             \
        gemm<T, 128, 128, 64, 32>(c, a, w, Unscaled(), m, n, k);                                                       \
    }

GEMM(bf16, Bf16, Bf16)
GEMM(bf16_f32, Bf16, float)
GEMM(fp16, Fp16, Fp16)
GEMM(fp16_f32, Fp16, float)
