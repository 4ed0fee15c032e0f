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
#include "gemm_skinny.cuh"

#define GEMM_SKINNY(name, T, Out, rows)                                                                                \
    SLUICE_KERNEL __launch_bounds__(128)                                                                               \
        gemm_skinny##rows##_##name(Out* c, const uint4* a, const uint4* w, int m, int n, int k) {                      \
        gemm_skinny<T, rows == 16>(c, a, w, Unscaled(), m, n, k);                                                      \
    }

GEMM_SKINNY(bf16, Bf16, Bf16, 8)
GEMM_SKINNY(bf16, Bf16, Bf16, 16)
GEMM_SKINNY(bf16_f32, Bf16, float, 8)
GEMM_SKINNY(bf16_f32, Bf16, float, 16)
GEMM_SKINNY(fp16, Fp16, Fp16, 8)
GEMM_SKINNY(fp16, Fp16, Fp16, 16)
GEMM_SKINNY(fp16_f32, Fp16, float, 8)
GEMM_SKINNY(fp16_f32, Fp16, float, 16)
