/*
 * The one order of additions that all matrix products share: C[m, n] = sum over k of A[m, k] * W[n, k], in fp32, in chunks of
 * 32 k ascending, each chunk two mma instructions. In a chunk, lane t of four holds k = 8t .. 8t+7, which is 16 bytes: the
 * first instruction takes the elements 0..3 of all lanes, the second 4..7. A sum does not care which k is which, as long as
 * A and W agree; so fragments are plain 16-byte loads. Since the instruction and the place of A and W in it are the same
 * everywhere, so are the bits of a result, whichever kernel computes it and whatever other rows it has.
 */
#pragma once
#include "async_copy.cuh"
#include "mma.cuh"

constexpr int CHUNK = 32; // k

/** Adds one chunk: rows g and g + 8 of A, and row g of W, 16 bytes of each. */
template <class T>
__device__ __forceinline__ void multiply_chunk(float (&sums)[4], const uint4& low, const uint4& high, const uint4& w) {
    u32 first[4] = {low.x, high.x, low.y, high.y};
    u32 second[4] = {low.z, high.z, low.w, high.w};
    mma<T>(sums, first, w.x, w.y);
    mma<T>(sums, second, w.z, w.w);
}

/** Two neighbouring results of a row; the second only if it is inside. Pairs start at even columns. */
template <class Out>
__device__ __forceinline__ void store_pair(Out* c, i64 row, int column, int columns, float first, float second) {
    Out* to = c + row * columns + column;
    if (column + 1 < columns && columns % 2 == 0) {
        if constexpr (sizeof(Out) == 2) {
            *reinterpret_cast<u32*>(to) = pack<Out>(first, second);
        } else {
            *reinterpret_cast<float2*>(to) = make_float2(first, second);
        }
        return;
    }
    if (column < columns) {
        to[0] = from_float<Out>(first);
    }
    if (column + 1 < columns) {
        to[1] = from_float<Out>(second);
    }
}
