/*
 * Matrix product of FP8 (e4m3) on the tensor cores of sm_90a: C[M, N] = (A[M, K] * W[N, K]^T) * a_scale[m] * w_scale[n], fp32
 * sums of stages of 128 k.
 *
 * Shapes, arguments and tiles as in gemm_wgmma_int8.cu, but that a (from quantise_fp8.cu) and w are e4m3, K has no largest
 * value, and the tiles of 128 x 128, one of them in pairs, are deep: shared 196,704 bytes (6 stages). A stage has sums of its
 * own, so two blocks of such a tile do not fit the registers of a multiprocessor, and larger tiles not those of a thread. Bits:
 * the sum, times a_scale, times w_scale, each rounded; the same from all six, not the same as from gemm_fp8.cu. Reference:
 * EmulatedScaledGemmTest.
 */
// architectures: sm_90a
#include "gemm_wgmma.cuh"

#define GEMM_WGMMAS(name, Out)                                                                                         \
    GEMM_WGMMA_SCALED(8x32, name, E4m3, Out, 8, 32, 22, 2)                                                             \
    GEMM_WGMMA_SCALED(64x32, name, E4m3, Out, 64, 32, 8, 2)                                                            \
    GEMM_WGMMA_SCALED(64x64, name, E4m3, Out, 64, 64, 6, 2)                                                            \
    GEMM_WGMMA_SCALED(64x128, name, E4m3, Out, 64, 128, 4, 2)                                                          \
    GEMM_WGMMA_SCALED(128x128, name, E4m3, Out, 128, 128, 6, 1)                                                        \
    GEMM_WGMMA_SCALED_PAIR(128x128_pair, name, E4m3, Out, 128, 128, 6, 1)

GEMM_WGMMAS(fp8_bf16, Bf16)
GEMM_WGMMAS(fp8_fp16, Fp16)
