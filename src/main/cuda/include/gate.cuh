/* The gate of the feed-forward network: eight elements of silu_mul.cu. */
#pragma once
#include "types.cuh"

template <class T>
__device__ __forceinline__ uint4 gate8(uint4 gates, uint4 ups) {
    float gate[8];
    float up[8];
    unpack8<T>(gates, gate);
    unpack8<T>(ups, up);
    for (int i = 0; i < 8; i++) {
        // exp(-x) overflows to infinity for x below -88, and the quotient is then 0, as it should be: a true division.
        gate[i] = gate[i] / (1 + __expf(-gate[i])) * up[i];
    }
    return pack8<T>(gate);
}
