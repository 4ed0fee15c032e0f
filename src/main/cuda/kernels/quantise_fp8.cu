/*
 * Rows in FP8 (e4m3) with a scale each, for gemm_fp8.cu: out[r, :] = round(x[r, :] / scale[r]), scale[r] = max|x[r, :]| / 448,
 * ties to even. Kernels, arguments, grid, block and shared memory as in quantise_int8.cu; out is e4m3.
 * Reference: EmulatedQuantiseTest.
 */
// architectures: sm_90a sm_100a
#include "quantise.cuh"

QUANTISE(fp8_bf16, E4m3, Bf16)
QUANTISE(fp8_fp16, E4m3, Fp16)
