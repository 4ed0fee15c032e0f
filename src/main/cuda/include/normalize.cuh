/* A row in the registers of a block, and its root-mean-square normalisation: rms_norm.cu gives the shapes. */
#pragma once
#include "reduce.cuh"

constexpr int VECTORS = 4; // of 8 elements: what a thread has of a row

/** Normalises the block's row, after the addition of delta to it if there is one, into registers, rounded to T. */
template <class T, bool add>
__device__ __forceinline__ void normalize(
    uint4 (&out)[VECTORS], uint4* in, const uint4* delta, const uint4* weight, float eps, int hidden) {
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
            out[i] = pack8<T>(v[i]);
        }
    }
}
