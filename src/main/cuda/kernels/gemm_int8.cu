/*
 * Matrix product of int8 on the tensor cores: C[M, N] = (A[M, K] * W[N, K]^T) * a_scale[m] * w_scale[n], exact int32 sums.
 *
 *   c        [M, N]  bf16, fp16 or float: the last part of the name
 *   a        [M, K]  int8, from quantise_int8.cu; M at most 8 for gemm_skinny8, 16 for gemm_skinny16
 *   w        [N, K]  int8, row-major: as checkpoints have it
 *   a_scale  [M]     float
 *   w_scale  [N]     float
 *   K        a multiple of 16, at most 131,072 (the sums do not overflow); M, N any; addresses of c, a, w multiples of 16
 *
 * As gemm.cu and gemm_skinny.cu, a chunk being 64 k; see there.
 *   gemm_64x64     grid (ceil(M / 64) * ceil(N / 64)),    block 128, shared  32,768 bytes
 *   gemm_128x128   grid (ceil(M / 128) * ceil(N / 128)),  block 256, shared  65,536 bytes
 *   gemm_skinny8   grid (ceil(N / 32)),                   block 128, shared  65,536 bytes; gemm_skinny16 too
 *
 * Bits: the sum as a float, times a_scale, times w_scale, each rounded; the same from all four. Reference:
 * EmulatedScaledGemmTest.
 */
#include "gemm_scaled.cuh"

GEMM_SCALED(int8_bf16, Int8, Bf16, 2)
GEMM_SCALED(int8_fp16, Int8, Fp16, 2)
GEMM_SCALED(int8_f32, Int8, float, 2)
