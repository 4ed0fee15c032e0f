/*
 * Matrix product of int8 on the tensor cores of sm_90a: C[M, N] = (A[M, K] * W[N, K]^T) * a_scale[m] * w_scale[n], exact
 * int32 sums.
 *
 *   c        [M, N]  bf16 or fp16: the last part of the name
 *   a        map of [at least M, K]  int8, from quantise_int8.cu; boxes of 128 k and a_box rows
 *   w        map of [N, K]  int8, row-major; boxes of 128 k and 32 rows
 *   a_scale  [M]     float
 *   w_scale  [N]     float
 *   K        a multiple of 16, at most 131,072 (the sums do not overflow); the rest as in gemm_wgmma.cu
 *
 * Tiles, grid, block and shared memory as in gemm_wgmma.cu, a stage being 128 k. Bits: the sum as a float, times a_scale,
 * times w_scale, each rounded: the same as from gemm_int8.cu. Reference: EmulatedScaledGemmTest.
 */
// architectures: sm_90a
#include "gemm_wgmma.cuh"

#define GEMM_WGMMAS(name, Out)                                                                                         \
    GEMM_WGMMA_SCALED(8x32, name, Int8, Out, 8, 32, 22, 2)                                                             \
    GEMM_WGMMA_SCALED(64x32, name, Int8, Out, 64, 32, 8, 2)                                                            \
    GEMM_WGMMA_SCALED(64x64, name, Int8, Out, 64, 64, 6, 2)                                                            \
    GEMM_WGMMA_SCALED(64x128, name, Int8, Out, 64, 128, 4, 2)                                                          \
    GEMM_WGMMA_SCALED(128x128, name, Int8, Out, 128, 128, 3, 2)                                                        \
    GEMM_WGMMA_SCALED(128x128_deep, name, Int8, Out, 128, 128, 6, 1)                                                   \
    GEMM_WGMMA_SCALED(128x192, name, Int8, Out, 128, 192, 5, 1)                                                        \
    GEMM_WGMMA_SCALED(128x256, name, Int8, Out, 128, 256, 4, 1)                                                        \
    GEMM_WGMMA_SCALED_PAIR(128x128_pair, name, Int8, Out, 128, 128, 6, 1)                                              \
    GEMM_WGMMA_SCALED_PAIR(128x192_pair, name, Int8, Out, 128, 192, 5, 1)                                              \
    GEMM_WGMMA_SCALED_PAIR(128x256_pair, name, Int8, Out, 128, 256, 4, 1)

GEMM_WGMMAS(int8_bf16, Bf16)
GEMM_WGMMAS(int8_fp16, Fp16)
