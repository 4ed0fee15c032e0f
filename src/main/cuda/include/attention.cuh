/*
 * The one order in which a row of attention is added up, and what a warp does for it with 16 rows of queries and keys and
 * values in shared memory: scores, online softmax, weighted sums.
 *
 * Decode and prefill must give a row the same bits, so its order of additions is a function of its position and the window
 * alone, and both take every step of it from here:
 *   - keys are cut into chunks of 256 at absolute multiples of 256, chunks into tiles of 64, tiles into products of 16;
 *   - one warp visits the tiles of a chunk in ascending order, and keeps a largest score, a sum and sums of values;
 *   - finished chunks are blended in ascending order, one by one, each into the blend of all before it.
 * Only paged_attention_prefill_wgmma.cu has its products from another instruction, and from four warps for 64 rows: the host
 * uses it where it has seen that they give the same bits.
 * A tile or chunk of which a row sees nothing does not change its bits, so it may be visited or left out; as long as all
 * values are finite, since prefill multiplies those behind a row by 0. Blends are not associative: decode, which computes
 * chunks in parallel, keeps a partial result of each. That bounds its workspace by context / 256 for a row; a coarser
 * second level would bound it further but cost prefill a third set of sums.
 *
 * Sums and products that a compiler could fuse in one kernel and not in the other are spelled out (__fmaf_rn, __fmul_rn).
 *
 * A tile is [keys][head dim]; its 16-byte pieces are swizzled (piece ^ number of the 128 bytes % 8), so that eight rows of
 * one column of pieces lie in different banks. Fragments as in mma.cuh: a lane works for rows g and g + 8.
 */
#pragma once
#include "async_copy.cuh"
#include "mma.cuh"
#include "paging.cuh"

constexpr int CHUNK_KEYS = 256; // fewer: partial results above 3 % of the bytes read; more: too few warps at 32k
constexpr int TILE_KEYS = 64;   // with fewer the largest scores cost prefill more than the products

/** The chunks of which a row sees keys; partial results of the i-th of them lie at place i. */
struct VisibleChunks {
    int first_key, end_key;
    int first;
    int count;

    /** @param window keys a row attends to, itself included; 0 is all */
    __device__ __forceinline__ VisibleChunks(int length, int window) {
        first_key = window > 0 && length > window ? length - window : 0;
        end_key = length;
        first = first_key / CHUNK_KEYS;
        count = (length + CHUNK_KEYS - 1) / CHUNK_KEYS - first;
    }
};

/**
 * Running state of 16 rows. The largest scores are in powers of two; the sums are per lane until finish_sums.
 */
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

/**
 * How a finished chunk joins the blend of those before it: sums and values of both, each times its factor. One factor is
 * exactly 1; a chunk of which the row saw nothing has the other, 0.
 */
struct Blend {
    float largest, kept, added;

    __device__ __forceinline__ Blend(float before, float chunk) {
        largest = fmaxf(before, chunk);
        float shift = largest == MINUS_INFINITY ? 0 : largest;
        kept = exp2_fast(before - shift);
        added = exp2_fast(chunk - shift);
    }

    __device__ __forceinline__ float operator()(float before, float chunk) const {
        return __fmaf_rn(before, kept, __fmul_rn(chunk, added));
    }
};

/** Factor of a row's values once all chunks are blended. */
__device__ __forceinline__ float finish(float sum) {
    return 1 / sum;
}

/** Element offset of a piece of 8 elements in a tile. */
template <int HEAD_DIM>
__device__ __forceinline__ int piece_at(int key, int piece) {
    constexpr int PIECES = HEAD_DIM / 8 < 8 ? HEAD_DIM / 8 : 8;
    // Keys that share 128 bytes keep the same order.
    return key * HEAD_DIM + (piece ^ (static_cast<u32>(key) / (8 / PIECES) & (PIECES - 1))) * 8;
}

/** The two rows of queries of this lane as A fragments; null is a row of zeros. */
template <class T, int HEAD_DIM>
__device__ __forceinline__ void load_queries(u32 (&q)[HEAD_DIM / 16][4], const T* low, const T* high) {
    int pair = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < HEAD_DIM / 16; i++) {
        const u32* l = reinterpret_cast<const u32*>(low) + i * 8 + pair;
        const u32* h = reinterpret_cast<const u32*>(high) + i * 8 + pair;
        q[i][0] = low == nullptr ? 0 : *l;
        q[i][1] = high == nullptr ? 0 : *h;
        q[i][2] = low == nullptr ? 0 : l[4];
        q[i][3] = high == nullptr ? 0 : h[4];
    }
}

/** Adds to scores[n], of keys 8n .. 8n+7, the products of dimensions 16i .. 16i+15 of queries and keys. */
template <class T, int HEAD_DIM, int KEYS>
__device__ __forceinline__ void multiply_keys(float (*scores)[4], const u32 (&q)[4], const T* keys, int i) {
    int lane = threadIdx.x % WARP;
    int key = lane / 16 * 8 + lane % 8;
    int piece = lane / 8 % 2;
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
        u32 k[4];
        load_tiles(k, keys + piece_at<HEAD_DIM>(n * 16 + key, i * 2 + piece));
        mma<T>(scores[2 * n], q, k[0], k[1]);
        mma<T>(scores[2 * n + 1], q, k[2], k[3]);
    }
}

/** Takes away the scores of keys outside [from, to); from and to of the lane's two rows, relative to the tile. */
__device__ __forceinline__ void mask(float (&scores)[TILE_KEYS / 8][4], const int (&from)[2], const int (&to)[2]) {
#pragma unroll
    for (int n = 0; n < TILE_KEYS / 8; n++) {
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
 * Turns scores into weights 2^(factor * score - largest), and says by what to rescale what there is. The largest follows only
 * when it is left behind by more than a factor of 2^8: what counts is that weights do not overflow, and most tiles rescale
 * nothing. Each row decides for itself; rescaling by exactly 1 beside a neighbour that rescales keeps its bits.
 */
template <int HEAD_DIM>
__device__ __forceinline__ void weigh_scores(
    float (&scores)[TILE_KEYS / 8][4], float (&rescale)[2], Rows<HEAD_DIM>& rows, float factor) {
    constexpr float SLACK = 8;
#pragma unroll
    for (int row = 0; row < 2; row++) {
        float top = MINUS_INFINITY;
#pragma unroll
        for (int n = 0; n < TILE_KEYS / 8; n++) {
            top = fmaxf(top, fmaxf(scores[n][2 * row], scores[n][2 * row + 1]));
        }
        top = fmaxf(top, __shfl_xor_sync(ALL_LANES, top, 1));
        top = fmaxf(top, __shfl_xor_sync(ALL_LANES, top, 2));
        top = __fmul_rn(top, factor);
        float before = rows.largest[row];
        bool follows = top > before + SLACK;
        rescale[row] = follows && before != MINUS_INFINITY ? exp2_fast(before - top) : 1; // before the first key all is 0
        rows.largest[row] = follows ? top : before;
        float shift = rows.largest[row] == MINUS_INFINITY ? 0 : rows.largest[row];
        float sum = 0;
#pragma unroll
        for (int n = 0; n < TILE_KEYS / 8; n++) {
            scores[n][2 * row] = exp2_fast(__fmaf_rn(scores[n][2 * row], factor, -shift));
            scores[n][2 * row + 1] = exp2_fast(__fmaf_rn(scores[n][2 * row + 1], factor, -shift));
            sum += scores[n][2 * row] + scores[n][2 * row + 1];
        }
        rows.sum[row] = __fmaf_rn(rows.sum[row], rescale[row], sum);
    }
}

template <int HEAD_DIM>
__device__ __forceinline__ void rescale_values(Rows<HEAD_DIM>& rows, const float (&rescale)[2]) {
    if (__ballot_sync(ALL_LANES, rescale[0] != 1 || rescale[1] != 1) != 0) {
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 8; i++) {
            rows.values[i][0] *= rescale[0];
            rows.values[i][1] *= rescale[0];
            rows.values[i][2] *= rescale[1];
            rows.values[i][3] *= rescale[1];
        }
    }
}

/** Both, one after the other. */
template <int HEAD_DIM>
__device__ __forceinline__ void weigh(float (&scores)[TILE_KEYS / 8][4], Rows<HEAD_DIM>& rows, float factor) {
    float rescale[2];
    weigh_scores(scores, rescale, rows, factor);
    rescale_values(rows, rescale);
}

/** The weights of 16 keys as an A fragment; at most 2^8, they are rounded to T. */
template <class T>
__device__ __forceinline__ void pack_weights(u32 (&w)[4], const float (*weights)[4]) {
    w[0] = pack<T>(weights[0][0], weights[0][1]);
    w[1] = pack<T>(weights[0][2], weights[0][3]);
    w[2] = pack<T>(weights[1][0], weights[1][1]);
    w[3] = pack<T>(weights[1][2], weights[1][3]);
}

/** Adds the weighted values of so many keys. */
template <class T, int HEAD_DIM, int KEYS>
__device__ __forceinline__ void add_values(Rows<HEAD_DIM>& rows, const float (*weights)[4], const T* values) {
    int lane = threadIdx.x % WARP;
    int key = lane / 8 % 2 * 8 + lane % 8;
    int piece = lane / 16;
#pragma unroll
    for (int n = 0; n < KEYS / 16; n++) {
        u32 w[4];
        pack_weights<T>(w, weights + 2 * n);
#pragma unroll
        for (int i = 0; i < HEAD_DIM / 16; i++) {
            u32 v[4];
            load_tiles_transposed(v, values + piece_at<HEAD_DIM>(n * 16 + key, i * 2 + piece));
            mma<T>(rows.values[2 * i], w, v[0], v[1]);
            mma<T>(rows.values[2 * i + 1], w, v[2], v[3]);
        }
    }
}
