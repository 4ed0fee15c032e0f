/*
 * Root-mean-square normalisation of rows, alone or after the addition to the residual stream.
 *
 *   rms_norm:      out[r, i] = in[r, i] * weight[i] / sqrt(mean(in[r, :]^2) + eps)
 *   add_rms_norm:  residual[r, :] = round(residual[r, :] + delta[r, :]), in place; then out = rms_norm(residual)
 *
 *   out, in, residual, delta  [rows, hidden]  T
 *   weight                    [hidden]        T
 *   hidden                    a multiple of 8, at most 32 times the threads of a block
 *
 * out may be in or delta. Sums in fp32; their order depends on the number of threads, which the launcher must derive from
 * hidden alone. Grid (rows), block: a multiple of 32, at least hidden / 32, at most 1024.
 * Reference: executor.cpu.RowOps.normalize.
 */
#include "normalize.cuh"

template <class T, bool add>
__device__ __forceinline__ void rms_norm(
    uint4* out, uint4* in, const uint4* delta, const uint4* weight, float eps, int hidden) {
    begin_after_previous();
    int words = hidden / 8;
    uint4 row[VECTORS];
    normalize<T, add>(row, in, delta, weight, eps, hidden);
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int word = threadIdx.x + i * blockDim.x;
        if (word < words) {
            out[static_cast<i64>(blockIdx.x) * words + word] = row[i];
        }
    }
}

#define RMS_NORM(name, T)                                                                                              \
    SLUICE_KERNEL __launch_bounds__(1024)                                                                              \
        rms_norm_##name(uint4* out, uint4* in, const uint4* weight, float eps, int hidden) {                           \
        rms_norm<T, false>(out, in, nullptr, weight, eps, hidden);                                                     \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(1024)                                                                              \
        add_rms_norm_##name(uint4* out, uint4* residual, const uint4* delta, const uint4* weight, float eps, int hidden) { \
        rms_norm<T, true>(out, residual, delta, weight, eps, hidden);                                                  \
    }

RMS_NORM(bf16, Bf16)
RMS_NORM(fp16, Fp16)
