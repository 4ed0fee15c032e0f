/*
 * Matrix product of FP8 (e4m3) on the tensor cores: C[M, N] = (A[M, K] * W[N, K]^T) * a_scale[m] * w_scale[n], fp32 sums of
 * chunks of 64 k. sm_90a and sm_100a multiply e4m3 by mma.sync no faster than fp16 (gemm_step.cuh): what is gained there is
 * half the bytes of the weights. The conversions take registers, so one block of gemm_128x128 to a multiprocessor.
 *
 * Kernels, shapes, arguments, grid, block and shared memory as in gemm_int8.cu, but that a (from quantise_fp8.cu) and w are
 * e4m3, and K has no largest value. Bits: the sum, times a_scale, times w_scale, each rounded; the same from all four.
 * Reference: EmulatedScaledGemmTest.
 */
// architectures: sm_90a sm_100a
#include "gemm_scaled.cuh"

GEMM_SCALED(fp8_bf16, E4m3, Bf16, 1)
GEMM_SCALED(fp8_fp16, E4m3, Fp16, 1)
GEMM_SCALED(fp8_f32, E4m3, float, 1)
