/*
 * The one order of additions that all matrix products share: C[m, n] = sum over k of A[m, k] * W[n, k], in chunks of 64 bytes
 * of k ascending (32 k, or 64 of 8 bits), each chunk two mma instructions. In a chunk, lane t of four holds bytes 16t ..
 * 16t+15 of a row: the first instruction takes the lower 8 bytes of all lanes, the second the upper. A sum does not care
 * which k is which, as long as A and W agree; so fragments are plain 16-byte loads. Since the instruction and the place of A
 * and W in it are the same everywhere, so are the bits of a result, whichever kernel computes it and whatever other rows it
 * has.
 */
#pragma once
#include "async_copy.cuh"
#include "mma.cuh"

/** Adds one chunk: rows g and g + 8 of A, and row g of W, 16 bytes of each. */
template <class T>
__device__ __forceinline__ void multiply_chunk(
    typename T::Sum (&sums)[4], const uint4& low, const uint4& high, const uint4& w) {
    u32 first[4] = {low.x, high.x, low.y, high.y};
    u32 second[4] = {low.z, high.z, low.w, high.w};
    mma<T>(sums, first, w.x, w.y);
    mma<T>(sums, second, w.z, w.w);
}

/**
 * Where tensor cores take e4m3 as it is (sm_89), they keep 13 bits of a sum's mantissa, too few for a long row: so theirs is
 * the sum of the chunk alone. On sm_90a and sm_100a mma.sync of e4m3 becomes one of fp16 with plain fp32 sums.
 */
template <>
__device__ __forceinline__ void multiply_chunk<E4m3>(
    float (&sums)[4], const uint4& low, const uint4& high, const uint4& w) {
    u32 first[4] = {low.x, high.x, low.y, high.y};
    u32 second[4] = {low.z, high.z, low.w, high.w};
    float chunk[4] = {0, 0, 0, 0};
    mma<E4m3>(chunk, first, w.x, w.y);
    mma<E4m3>(chunk, second, w.z, w.w);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        sums[i] += chunk[i];
    }
}

/** Sums are the results. */
struct Unscaled {
    __device__ __forceinline__ float operator()(float sum, int, int, int) const {
        return sum;
    }
};

/** Each row of A and each row of W has its scale. */
struct Scaled {
    const float *a, *w;

    template <class Sum>
    __device__ __forceinline__ float operator()(Sum sum, int row, int column, int columns) const {
        return static_cast<float>(sum) * a[row] * (column < columns ? __ldg(w + column) : 0);
    }
};

/** Two neighbouring results of a row; the second only if it is inside. Pairs start at even columns. */
template <class Out, class Scale, class Sum>
__device__ __forceinline__ void store_pair(
    Out* c, Scale scale, int row, int column, int columns, Sum first_sum, Sum second_sum) {
    float first = scale(first_sum, row, column, columns);
    float second = scale(second_sum, row, column + 1, columns);
    Out* to = c + static_cast<i64>(row) * columns + column;
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
