/*
 * What a warp does with 16 query rows and a tile of keys and values in shared memory: scores, online softmax, weighted sums.
 *
 * A tile is [keys][head dim]; its 16-byte chunks are swizzled (chunk ^ key % 8), so that eight rows of one column of chunks
 * lie in different banks. Fragments as in mma.cuh: a lane works for rows g and g + 8.
 */
#pragma once
#include "async_copy.cuh"
#include "mma.cuh"
#include "paging.cuh"

/** Running state of 16 rows; the sums are per lane until finish_sums. */
template <int HEAD_DIM>
struct Rows {
    float largest[2];
    float sum[2];
    float values[HEAD_DIM / 8][4];

    __device__ __forceinline__ void reset() {
        largest[0] = largest[1] = MINUS_INFINITY;
        sum[0] = sum[1] = 0;
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 8; i++) {
            values[i][0] = values[i][1] = values[i][2] = values[i][3] = 0;
        }
    }

    __device__ __forceinline__ void finish_sums() {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            sum[i] += __shfl_xor_sync(ALL_LANES, sum[i], 1);
            sum[i] += __shfl_xor_sync(ALL_LANES, sum[i], 2);
        }
    }
};

/** Element offset of a chunk of 8 elements in a tile. */
template <int HEAD_DIM>
__device__ __forceinline__ int chunk_at(int key, int chunk) {
    constexpr int MASK = HEAD_DIM / 8 < 8 ? HEAD_DIM / 8 - 1 : 7;
    return key * HEAD_DIM + (chunk ^ (key & MASK)) * 8;
}

/** The two rows of queries of this lane as A fragments; null is a row of zeros. */
template <class T, int HEAD_DIM>
__device__ __forceinline__ void load_queries(u32 (&q)[HEAD_DIM / 16][4], const T* low, const T* high) {
    int pair = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < HEAD_DIM / 16; i++) {
        const u32* l = reinterpret_cast<const u32*>(low) + i * 8 + pair;
        const u32* h = reinterpret_cast<const u32*>(high) + i * 8 + pair;
        q[i][0] = low == nullptr ? 0 : __ldg(l);
        q[i][1] = high == nullptr ? 0 : __ldg(h);
        q[i][2] = low == nullptr ? 0 : __ldg(l + 4);
        q[i][3] = high == nullptr ? 0 : __ldg(h + 4);
    }
}

/** scores[n] of keys 8n .. 8n+7: products of queries and keys, not scaled. */
template <class T, int HEAD_DIM, int KEYS>
__device__ __forceinline__ void multiply_keys(float (&scores)[KEYS / 8][4], const u32 (&q)[HEAD_DIM / 16][4], const T* keys) {
    int lane = threadIdx.x % WARP;
    int key = lane / 16 * 8 + lane % 8;
    int chunk = lane / 8 % 2;
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
        scores[n][0] = scores[n][1] = scores[n][2] = scores[n][3] = 0;
    }
#pragma unroll
    for (int i = 0; i < HEAD_DIM / 16; i++) {
#pragma unroll
        for (int n = 0; n < KEYS / 16; n++) {
            u32 k[4];
            load_tiles(k, keys + chunk_at<HEAD_DIM>(n * 16 + key, i * 2 + chunk));
            mma<T>(scores[2 * n], q[i], k[0], k[1]);
            mma<T>(scores[2 * n + 1], q[i], k[2], k[3]);
        }
    }
}

/** Takes away the scores of keys outside [from, to); from and to of the lane's two rows, relative to the tile. */
template <int KEYS>
__device__ __forceinline__ void mask(float (&scores)[KEYS / 8][4], const int (&from)[2], const int (&to)[2]) {
#pragma unroll
    for (int n = 0; n < KEYS / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int key = n * 8 + threadIdx.x % 4 * 2 + i % 2;
            if (key < from[i / 2] || key >= to[i / 2]) {
                scores[n][i] = MINUS_INFINITY;
            }
        }
    }
}

/**
 * Turns scores into weights 2^(factor * (score - largest)) and rescales what there is. A row without any visible key so far
 * stays as it is, bit for bit: so tiles that only its neighbours see do not change a row.
 */
template <int HEAD_DIM, int KEYS>
__device__ __forceinline__ void weigh(float (&scores)[KEYS / 8][4], Rows<HEAD_DIM>& rows, float factor) {
#pragma unroll
    for (int row = 0; row < 2; row++) {
        float largest = rows.largest[row];
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
            largest = fmaxf(largest, fmaxf(scores[n][2 * row], scores[n][2 * row + 1]));
        }
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, 2));
        float shift = largest == MINUS_INFINITY ? 0 : largest * factor;
        // One exactly if nothing changed: the difference below may be fused, and is then not zero for equal operands.
        float rescale = largest == rows.largest[row] ? 1 : exp2_fast(rows.largest[row] * factor - shift);
        rows.largest[row] = largest;
        float sum = 0;
#pragma unroll
        for (int n = 0; n < KEYS / 8; n++) {
            scores[n][2 * row] = exp2_fast(scores[n][2 * row] * factor - shift);
            scores[n][2 * row + 1] = exp2_fast(scores[n][2 * row + 1] * factor - shift);
            sum += scores[n][2 * row] + scores[n][2 * row + 1];
        }
        rows.sum[row] = rows.sum[row] * rescale + sum;
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 8; i++) {
            rows.values[i][2 * row] *= rescale;
            rows.values[i][2 * row + 1] *= rescale;
        }
    }
}

/** Adds the weighted values of the tile; the weights, at most 1, are rounded to T. */
template <class T, int HEAD_DIM, int KEYS>
__device__ __forceinline__ void add_values(Rows<HEAD_DIM>& rows, const float (&weights)[KEYS / 8][4], const T* values) {
    int lane = threadIdx.x % WARP;
    int key = lane / 8 % 2 * 8 + lane % 8;
    int chunk = lane / 16;
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
        u32 w[4] = {pack<T>(weights[2 * n][0], weights[2 * n][1]), pack<T>(weights[2 * n][2], weights[2 * n][3]),
                    pack<T>(weights[2 * n + 1][0], weights[2 * n + 1][1]),
                    pack<T>(weights[2 * n + 1][2], weights[2 * n + 1][3])};
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 16; i++) {
            u32 v[4];
            load_tiles_transposed(v, values + chunk_at<HEAD_DIM>(n * 16 + key, i * 2 + chunk));
            mma<T>(rows.values[2 * i], w, v[0], v[1]);
            mma<T>(rows.values[2 * i + 1], w, v[2], v[3]);
        }
    }
}
