/*
 * Matrix product of FP8 (e4m3) on the tensor cores of sm_90a: C[M, N] = (A[M, K] * W[N, K]^T) * a_scale[m] * w_scale[n], fp32
 * sums of stages of 128 k.
 *
 * Shapes, arguments and tiles as in gemm_wgmma_int8.cu, but that a (from quantise_fp8.cu) and w are e4m3, and K has no largest
 * value. A stage has sums of its own, so there is no tile of 128 x 256: it would not fit the registers. Bits: the sum, times
 * a_scale, times w_scale, each rounded; the same from all four, not the same as from gemm_fp8.cu. Reference:
 * EmulatedScaledGemmTest.
 */
// architectures: sm_90a
#include "gemm_wgmma.cuh"

#define GEMM_WGMMAS(name, Out)                                                                                         \
    GEMM_WGMMA_SCALED(name, E4m3, Out, 64, 32, 8, 2)                                                                   \
    GEMM_WGMMA_SCALED(name, E4m3, Out, 64, 64, 6, 2)                                                                   \
    GEMM_WGMMA_SCALED(name, E4m3, Out, 64, 128, 4, 2)                                                                  \
    GEMM_WGMMA_SCALED(name, E4m3, Out, 128, 128, 3, 1)

GEMM_WGMMAS(fp8_bf16, Bf16)
GEMM_WGMMAS(fp8_fp16, Fp16)
