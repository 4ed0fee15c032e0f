/*
 * Rows in 8 bits: out[r, :] = round(x[r, :] / scale[r]) with scale[r] = max|x[r, :]| / Q::MAX, a row by a block. x has been
 * rounded to T, so that a fused kernel gives the bits of its two halves run one after the other.
 *
 * A row of zeros has scale 0 and zeros. A row with NaN or an infinity has such a scale: its products are NaN, not plausible.
 */
#pragma once
#include "gate.cuh"
#include "normalize.cuh"

template <class Q, class T>
__device__ __forceinline__ void quantise(uint2* out, float* scales, const uint4 (&row)[VECTORS], int words) {
    u32 largest = 0; // of magnitudes as bits: in the order of the numbers, and NaN above all
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        if (threadIdx.x + i * blockDim.x < words) {
            float v[8];
            unpack8<T>(row[i], v);
#pragma unroll
            for (int j = 0; j < 8; j++) {
                largest = max(largest, __float_as_uint(v[j]) & 0x7fffffffu);
            }
        }
    }
    float scale = __fdiv_rn(__uint_as_float(static_cast<u32>(block_max(static_cast<u64>(largest)))), Q::MAX);
    if (threadIdx.x == 0) {
        scales[blockIdx.x] = scale;
    }
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int word = threadIdx.x + i * blockDim.x;
        if (word < words) {
            float v[8];
            unpack8<T>(row[i], v);
#pragma unroll
            for (int j = 0; j < 8; j++) {
                v[j] = scale == 0 ? 0 : __fdiv_rn(v[j], scale);
            }
            out[static_cast<i64>(blockIdx.x) * words + word] =
                make_uint2(pack4<Q>(v[0], v[1], v[2], v[3]), pack4<Q>(v[4], v[5], v[6], v[7]));
        }
    }
}

template <class Q, class T>
__device__ __forceinline__ void quantise_rows(uint2* out, float* scales, const uint4* in, int n) {
    begin_after_previous();
    int words = n / 8;
    uint4 row[VECTORS];
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int word = threadIdx.x + i * blockDim.x;
        if (word < words) {
            row[i] = in[static_cast<i64>(blockIdx.x) * words + word];
        }
    }
    quantise<Q, T>(out, scales, row, words);
}

template <class Q, class T>
__device__ __forceinline__ void silu_mul_quantised(uint2* out, float* scales, const uint4* gate_up, int n) {
    begin_after_previous();
    int words = n / 8;
    uint4 row[VECTORS];
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int word = threadIdx.x + i * blockDim.x;
        if (word < words) {
            const uint4* gates = gate_up + static_cast<i64>(blockIdx.x) * 2 * words + word;
            row[i] = gate8<T>(*gates, gates[words]);
        }
    }
    quantise<Q, T>(out, scales, row, words);
}

template <class Q, class T, bool add>
__device__ __forceinline__ void rms_norm_quantised(
    uint2* out, float* scales, uint4* in, const uint4* delta, const uint4* weight, float eps, int hidden) {
    begin_after_previous();
    uint4 row[VECTORS];
    normalize<T, add>(row, in, delta, weight, eps, hidden);
    quantise<Q, T>(out, scales, row, hidden / 8);
}

#define QUANTISE(name, Q, T)                                                                                           \
    SLUICE_KERNEL __launch_bounds__(1024) quantise_rows_##name(uint2* out, float* scales, const uint4* in, int n) {    \
        quantise_rows<Q, T>(out, scales, in, n);                                                                       \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(1024) silu_mul_##name(uint2* out, float* scales, const uint4* gate_up, int n) {    \
        silu_mul_quantised<Q, T>(out, scales, gate_up, n);                                                             \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(1024) rms_norm_##name(                                                             \
        uint2* out, float* scales, uint4* in, const uint4* weight, float eps, int hidden) {                            \
        rms_norm_quantised<Q, T, false>(out, scales, in, nullptr, weight, eps, hidden);                                \
    }                                                                                                                  \
    SLUICE_KERNEL __launch_bounds__(1024) add_rms_norm_##name(                                                         \
        uint2* out, float* scales, uint4* residual, const uint4* delta, const uint4* weight, float eps, int hidden) {  \
        rms_norm_quantised<Q, T, true>(out, scales, residual, delta, weight, eps, hidden);                             \
    }
