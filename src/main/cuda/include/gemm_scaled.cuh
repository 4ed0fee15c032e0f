/* The kernels of gemm_int8.cu and gemm_fp8.cu, which give the shapes. */
#pragma once
#include "gemm_skinny.cuh"
#include "gemm_tile.cuh"

#define GEMM_ARGUMENTS(Out)                                                                                            \
    Out *c, const uint4 *a, const uint4 *w, const float *a_scale, const float *w_scale, int m, int n, int k

/** The blocks are of gemm_128x128 on a multiprocessor: as many as its registers are to allow. */
#define GEMM_SCALED(name, T, Out, blocks)                                                                              \
    SLUICE_KERNEL __launch_bounds__(128) gemm_64x64_##name(GEMM_ARGUMENTS(Out)) {                                      \
        gemm<T, 64, 64, 32, 32>(c, a, w, Scaled{a_scale, w_scale}, m, n, k);                                           \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(256, blocks) gemm_128x128_##name(GEMM_ARGUMENTS(Out)) {                            \
        gemm<T, 128, 128, 64, 32>(c, a, w, Scaled{a_scale, w_scale}, m, n, k);                                         \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(128) gemm_skinny8_##name(GEMM_ARGUMENTS(Out)) {                                    \
        gemm_skinny<T, false>(c, a, w, Scaled{a_scale, w_scale}, m, n, k);                                             \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(128) gemm_skinny16_##name(GEMM_ARGUMENTS(Out)) {                                   \
        gemm_skinny<T, true>(c, a, w, Scaled{a_scale, w_scale}, m, n, k);                                              \
    }
