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
 * A block takes 128 pairs (position, query head of one kv head), the heads of a position beside each other, and visits
 * tiles of keys and values, the next one on its way. Each of the 8 warps has 16 pairs: sums of the chunk and of all chunks
 * before in registers, the queries, to make room, in shared memory. The heavy blocks, with the last positions, start first.
 * Grid (ceil(longest * heads / kv_heads / 128), kv_heads, sequences), block 256, shared 768 * D bytes.
 * Order of additions: attention.cuh. Reference: executor.cpu.Attention.
 */
#include "attention_prefill.cuh"

constexpr int THREADS = 256;

template <class T, int D>
__device__ __forceinline__ void load_block_queries(T* to, const T* queries, const Part& part) {
    for (int i = threadIdx.x; i < PAIRS * D / 8; i += THREADS) {
        int row = i / (D / 8);
        int piece = i % (D / 8);
        copy_async_16(to + piece_at<D>(row, piece), queries + part.at(part.first_pair + row) * D + piece * 8, true);
    }
}

/** Four lanes each look up where 16 of the keys lie: a block of keys and values holds a multiple of 16. */
template <class T, int D>
__device__ __forceinline__ void load_tile(
    T* tile, const T* arena, const int* table, int key, int first, int end, KvShape shape) {
    constexpr int PIECES = D / 8; // of a row
    constexpr int ROWS = THREADS / PIECES; // at a time
    int looked_up = key + threadIdx.x % 4 * 16;
    i64 place = 0;
    if (looked_up < end && looked_up + 16 > first) {
        place = __ldg(table + looked_up / shape.block_size) * shape.block_elements() + looked_up % shape.block_size * D;
    }
#pragma unroll
    for (int i = 0; i < (TILE_KEYS + ROWS - 1) / ROWS; i++) {
        int row = threadIdx.x / PIECES + i * ROWS;
        int piece = threadIdx.x % PIECES;
        const T* from = arena + __shfl_sync(ALL_LANES, place, row / 16 % 4) + row % 16 * D + piece * 8;
        if (ROWS <= TILE_KEYS || row < TILE_KEYS) {
            bool visible = key + row >= first && key + row < end; // other places may never have been written: zeros
            copy_async_16(tile + piece_at<D>(row, piece), from, visible);
            copy_async_16(tile + TILE_KEYS * D + piece_at<D>(row, piece), from + shape.key_to_value(), visible);
        }
    }
}

template <class T, int D>
__device__ __forceinline__ void prefill(
    T* out, const T* queries, const T* arena, const int* tables, const int* query_starts, const int* lengths,
    int table_stride, int layer, int heads, KvShape shape, int window, float scale) {
    begin_after_previous();
    Part part(query_starts, lengths, heads, shape.kv_heads);
    if (part.last_pair < part.first_pair) {
        return;
    }
    SLUICE_DYNAMIC_SHARED(shared);
    T* block_queries = reinterpret_cast<T*>(shared);
    T* ring = block_queries + PAIRS * D;
    int first_key = part.first_key(part.first_pair, window);
    int end_key = part.position(part.last_pair) + 1;
    int first_tile = first_key / TILE_KEYS * TILE_KEYS;
    const T* head_arena = arena + shape.head_offset(layer, blockIdx.y);
    const int* table = tables + static_cast<i64>(blockIdx.z) * table_stride;
    load_block_queries<T, D>(block_queries, queries, part);
    load_tile<T, D>(ring, head_arena, table, first_tile, first_key, end_key, shape);
    commit_copies();

    int warp_row = threadIdx.x / WARP * 16;
    int warp_first = part.position(part.first_pair + warp_row);
    int warp_last = part.position(part.first_pair + warp_row + 15);
    int lane = threadIdx.x % WARP;
    RowPair rows(part, part.first_pair + warp_row + lane / 4);
    Rows<D> total;
    Rows<D> chunk;
    total.reset();
    chunk.reset();
    float factor = scale * 1.44269504f;
    int stage = 0;
    for (int key = first_tile; key < end_key; key += TILE_KEYS) {
        if (key + TILE_KEYS < end_key) {
            T* next = ring + (stage ^ 1) * 2 * TILE_KEYS * D;
            load_tile<T, D>(next, head_arena, table, key + TILE_KEYS, first_key, end_key, shape);
        }
        commit_copies();
        wait_for_copies<1>();
        __syncthreads(); // the tile is there for all
        if (key <= warp_last && (window == 0 || key + TILE_KEYS > warp_first - window + 1)) {
            const T* tile = ring + stage * 2 * TILE_KEYS * D;
            float scores[TILE_KEYS / 8][4] = {};
#pragma unroll
            for (int i = 0; i < D / 16; i++) {
                u32 q[4];
                load_tiles(q, block_queries + piece_at<D>(warp_row + lane % 16, i * 2 + lane / 16));
                multiply_keys<T, D, TILE_KEYS>(scores, q, tile, i);
            }
            if (key + TILE_KEYS > warp_first + 1 || (window > 0 && key < warp_last - window + 1)) {
                rows.mask_unseen(scores, key, window);
            }
            weigh<D>(scores, chunk, factor);
            add_values<T, D, TILE_KEYS>(chunk, scores, tile + TILE_KEYS * D);
        }
        if ((key + TILE_KEYS) % CHUNK_KEYS == 0 || key + TILE_KEYS >= end_key) {
            blend_chunk<D>(total, chunk);
        }
        stage ^= 1;
        __syncthreads(); // all are done with the tile: the next round fills its place
    }
    rows.write<T, D>(out, part, total);
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
