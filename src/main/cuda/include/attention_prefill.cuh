/*
 * What the kernels of prefill attention have in common beside attention.cuh: how a block's pairs of position and query head
 * are counted, what a lane does for its two of them, and the blend of chunks.
 */
#pragma once
#include "attention.cuh"

constexpr int PAIRS = 128; // of a block

/** A block's part of the new positions of the sequence blockIdx.z, for the kv head blockIdx.y; of x, the last part is first. */
struct Part {
    int first_row;   // of the sequence
    int context;     // its positions before that row
    int group, heads;
    int first_pair, last_pair;

    __device__ __forceinline__ Part(const int* query_starts, const int* lengths, int heads_, int kv_heads) {
        int sequence = blockIdx.z;
        first_row = query_starts[sequence];
        int count = query_starts[sequence + 1] - first_row;
        group = heads_ / kv_heads;
        heads = heads_;
        context = lengths[sequence] - count;
        first_pair = (gridDim.x - 1 - blockIdx.x) * PAIRS;
        last_pair = min(first_pair + PAIRS, count * group) - 1; // before the first one if there is none
    }

    __device__ __forceinline__ int position(int pair) const {
        return context + min(pair, last_pair) / group;
    }

    /** The first key that a pair sees. */
    __device__ __forceinline__ int first_key(int pair, int window) const {
        return window > 0 ? max(position(pair) - window + 1, 0) : 0;
    }

    /** Where queries and output of a pair lie; one behind the last is the last again. */
    __device__ __forceinline__ i64 at(int pair) const {
        int p = min(pair, last_pair);
        return (first_row + p / group) * static_cast<i64>(heads) + blockIdx.y * group + p % group;
    }
};

template <int D>
__device__ __forceinline__ void blend_chunk(Rows<D>& total, Rows<D>& chunk) {
    chunk.finish_sums();
#pragma unroll
    for (int row = 0; row < 2; row++) {
        Blend blend(total.largest[row], chunk.largest[row]);
        total.largest[row] = blend.largest;
        total.sum[row] = blend(total.sum[row], chunk.sum[row]);
#pragma unroll
        for (int i = 0; i < D / 8; i++) {
            total.values[i][2 * row] = blend(total.values[i][2 * row], chunk.values[i][2 * row]);
            total.values[i][2 * row + 1] = blend(total.values[i][2 * row + 1], chunk.values[i][2 * row + 1]);
        }
    }
    chunk.reset();
}

template <class T, int D>
__device__ __forceinline__ void write_row(T* out, const Rows<D>& state, int row) {
    float factor = finish(state.sum[row]);
    u32* words = reinterpret_cast<u32*>(out) + threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < D / 8; i++) {
        words[i * 4] = pack<T>(state.values[i][2 * row] * factor, state.values[i][2 * row + 1] * factor);
    }
}

/** The two pairs of a lane: those of rows g and g + 8 of its warp. */
struct RowPair {
    int pair[2], position[2];

    __device__ __forceinline__ RowPair(const Part& part, int first) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            pair[i] = first + 8 * i;
            position[i] = part.position(pair[i]);
        }
    }

    /** Of the tile from this key on. */
    __device__ __forceinline__ void mask_unseen(float (&scores)[TILE_KEYS / 8][4], int key, int window) const {
        int from[2];
        int to[2];
#pragma unroll
        for (int i = 0; i < 2; i++) {
            from[i] = window > 0 ? position[i] - window + 1 - key : 0;
            to[i] = position[i] + 1 - key;
        }
        mask(scores, from, to);
    }

    template <class T, int D>
    __device__ __forceinline__ void write(T* out, const Part& part, const Rows<D>& state) const {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            if (pair[i] <= part.last_pair) {
                write_row<T, D>(out + part.at(pair[i]) * D, state, i);
            }
        }
    }
};
