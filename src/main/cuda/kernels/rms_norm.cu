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
#include "reduce.cuh"

constexpr int VECTORS = 4; // of 8 elements, kept in registers between the two passes

template <class T, bool add>
__device__ __forceinline__ void normalize(uint4* out, uint4* in, const uint4* delta, const uint4* weight, float eps, int hidden) {
    int words = hidden / 8;
    i64 row = static_cast<i64>(blockIdx.x) * words;
    float v[VECTORS][8];
    float squares = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int word = threadIdx.x + i * blockDim.x;
        if (word < words) {
            unpack8<T>(in[row + word], v[i]);
            if (add) {
                float d[8];
                unpack8<T>(delta[row + word], d);
                for (int j = 0; j < 8; j++) {
                    v[i][j] += d[j];
                }
                // What is normalised is what is kept: the rounded sum.
                uint4 sum = pack8<T>(v[i]);
                in[row + word] = sum;
                unpack8<T>(sum, v[i]);
            }
            for (int j = 0; j < 8; j++) {
                squares += v[i][j] * v[i][j];
            }
        }
    }
    float scale = rsqrtf(block_sum(squares) / hidden + eps);
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int word = threadIdx.x + i * blockDim.x;
        if (word < words) {
            float w[8];
            unpack8<T>(__ldg(weight + word), w);
            for (int j = 0; j < 8; j++) {
                v[i][j] *= scale * w[j];
            }
            out[row + word] = pack8<T>(v[i]);
        }
    }
}

#define RMS_NORM(name, T)                                                                                              \
    SLUICE_KERNEL __launch_bounds__(1024)                                                                              \
        rms_norm_##name(uint4* out, uint4* in, const uint4* weight, float eps, int hidden) {                           \
        normalize<T, false>(out, in, nullptr, weight, eps, hidden);                                                    \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(1024)                                                                              \
        add_rms_norm_##name(uint4* out, uint4* residual, const uint4* delta, const uint4* weight, float eps, int hidden) { \
        normalize<T, true>(out, residual, delta, weight, eps, hidden);                                                 \
    }

RMS_NORM(bf16, Bf16)
RMS_NORM(fp16, Fp16)
