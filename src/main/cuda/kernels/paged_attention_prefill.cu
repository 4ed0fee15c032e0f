/*
 * Causal attention of the new positions of several sequences over their paged keys (flash attention).
 *
 *   out[r, h, :] = sum over keys k of softmax_k(scale * q[r, h] . K[k]) * V[k],  keys p - window + 1 .. p of position p
 *
 *   out           [rows, heads * D]                        T
 *   queries       [rows, heads * D]                        T, rotated
 *   arena         [block][layer][K, V][kv head][slot][D]   T, keys and values of these rows already in it
 *   tables        [sequences, table_stride]                int, block of position p at p / block_size
 *   query_starts  [sequences + 1]                          int, first row of each sequence; rows of one are neighbours
 *   lengths       [sequences]  int, positions up to and with the sequence's last row: row i of n is position length - n + i
 *   window        0 is all;  heads a multiple of kv_heads
 *
 * A block takes 128 pairs (position, query head of one kv head), the heads of a position beside each other, and visits keys
 * in tiles of 64 that begin at multiples of 64: the order of additions of a row depends on its position and the window, not
 * on chunks or neighbours. Each of the 8 warps has 16 pairs. The heavy blocks, with the last positions, start first.
 * Grid (ceil(longest * heads / kv_heads / 128), kv_heads, sequences), block 256, shared 512 * D bytes.
 * Reference: executor.cpu.Attention.
 */
#include "attention.cuh"

constexpr int PAIRS = 128;
constexpr int KEYS = 64;
constexpr int THREADS = 256;

template <class T, int D>
__device__ __forceinline__ void load_tile(
    T* tile, const T* arena, const int* table, int key, int first, int end, KvShape shape) {
    for (int i = threadIdx.x; i < KEYS * D / 8; i += THREADS) {
        int row = i / (D / 8);
        int chunk = i % (D / 8);
        int at = key + row;
        bool visible = at >= first && at < end; // other places may never have been written: zeros
        int block = visible ? __ldg(table + at / shape.block_size) : 0;
        const T* from = arena + block * shape.block_elements() + at % shape.block_size * D + chunk * 8;
        copy_async_16(tile + chunk_at<D>(row, chunk), from, visible);
        copy_async_16(tile + KEYS * D + chunk_at<D>(row, chunk), from + shape.key_to_value(), visible);
    }
}

template <class T, int D>
__device__ __forceinline__ void write_row(T* out, const Rows<D>& state, int row) {
    float factor = 1 / state.sum[row];
    u32* words = reinterpret_cast<u32*>(out) + threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < D / 8; i++) {
        words[i * 4] = pack<T>(state.values[i][2 * row] * factor, state.values[i][2 * row + 1] * factor);
    }
}

template <class T, int D>
__device__ __forceinline__ void prefill(
    T* out, const T* queries, const T* arena, const int* tables, const int* query_starts, const int* lengths,
    int table_stride, int layer, int heads, KvShape shape, int window, float scale) {
    int sequence = blockIdx.z;
    int first_row = query_starts[sequence];
    int count = query_starts[sequence + 1] - first_row;
    int group = heads / shape.kv_heads;
    int first_pair = (gridDim.x - 1 - blockIdx.x) * PAIRS;
    if (first_pair >= count * group) {
        return;
    }
    SLUICE_DYNAMIC_SHARED(shared);
    T* ring = reinterpret_cast<T*>(shared);
    int context = lengths[sequence] - count;
    int last_pair = min(first_pair + PAIRS, count * group) - 1;
    int first_position = context + first_pair / group;
    int first_key = window > 0 ? max(first_position - window + 1, 0) : 0;
    int end_key = context + last_pair / group + 1;

    // The lane's two rows; one behind the last computes the last again, and is not written.
    int pair[2];
    int position[2];
    const T* query[2];
    i64 at[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
        pair[i] = first_pair + threadIdx.x / WARP * 16 + threadIdx.x % WARP / 4 + i * 8;
        int p = min(pair[i], last_pair);
        position[i] = context + p / group;
        at[i] = ((first_row + p / group) * static_cast<i64>(heads) + blockIdx.y * group + p % group) * D;
        query[i] = queries + at[i];
    }
    u32 q[D / 16][4];
    load_queries<T, D>(q, query[0], query[1]);
    int warp_pair = first_pair + threadIdx.x / WARP * 16;
    int warp_first = context + min(warp_pair, last_pair) / group;
    int warp_last = context + min(warp_pair + 15, last_pair) / group;

    Rows<D> state;
    state.reset();
    float factor = scale * 1.44269504f;
    const T* head_arena = arena + shape.head_offset(layer, blockIdx.y);
    const int* table = tables + static_cast<i64>(sequence) * table_stride;
    int stage = 0;
    int start = first_key / KEYS * KEYS;
    load_tile<T, D>(ring, head_arena, table, start, first_key, end_key, shape);
    commit_copies();
    for (int key = start; key < end_key; key += KEYS) {
        if (key + KEYS < end_key) {
            T* next = ring + (stage ^ 1) * 2 * KEYS * D;
            load_tile<T, D>(next, head_arena, table, key + KEYS, first_key, end_key, shape);
        }
        commit_copies();
        wait_for_copies<1>();
        __syncthreads(); // the tile is there for all
        const T* tile = ring + stage * 2 * KEYS * D;
        float scores[KEYS / 8][4];
        multiply_keys<T, D, KEYS>(scores, q, tile);
        if (key + KEYS > warp_first + 1 || (window > 0 && key < warp_last - window + 1)) {
            int from[2];
            int to[2];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                from[i] = window > 0 ? position[i] - window + 1 - key : 0;
                to[i] = position[i] + 1 - key;
            }
            mask<KEYS>(scores, from, to);
        }
        weigh<D, KEYS>(scores, state, factor);
        add_values<T, D, KEYS>(state, scores, tile + KEYS * D);
        stage ^= 1;
        __syncthreads(); // all are done with the tile: the next round fills its place
    }
    state.finish_sums();
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (pair[i] <= last_pair) {
            write_row<T, D>(out + at[i], state, i);
        }
    }
}

#define PREFILL(name, T, D)                                                                                            \
    SLUICE_KERNEL __launch_bounds__(THREADS, 1) paged_attention_prefill_##name##_##D(                                     \
        T* out, const T* queries, const T* arena, const int* tables, const int* query_starts, const int* lengths,      \
        int table_stride, int layer, int heads, int layers, int kv_heads, int block_size, int window, float scale) {   \
        prefill<T, D>(out, queries, arena, tables, query_starts, lengths, table_stride, layer, heads,                  \
                      KvShape{layers, kv_heads, block_size, D}, window, scale);                                        \
    }

PREFILL(bf16, Bf16, 16)
PREFILL(bf16, Bf16, 32)
PREFILL(bf16, Bf16, 64)
PREFILL(bf16, Bf16, 128)
PREFILL(fp16, Fp16, 64)
PREFILL(fp16, Fp16, 128)
