/*
 * What paged_attention_prefill.cu computes, on the tensor cores of sm_90a, for heads of 64 and 128 elements.
 *
 *   arena_map     map of arena as [blocks * layers * 2 * kv_heads * block_size, D]  T, boxes of 64 elements and 16 rows
 *   block_size    a multiple of 16, so that a box never leaves a block; the other arguments as there
 *
 * A block takes 128 pairs (position, query head of one kv head), as there: four warps for each 64 of them. They hold the sums
 * of the chunk and of all chunks before in registers, and the first 64 elements of each query, so that shared memory is read
 * less; there is no room for the others, which lie in shared memory. One warp more lets the copy engine fill a ring of stages
 * of 64 keys, in boxes of 16; only boxes with a visible key travel. Keys and values have flags of their own, so that scores
 * are computed before the values are there. While the products of a tile's weights and values run, the scores of the next
 * tile become weights.
 *
 * Keys outside of those that the block sees may never have been written and hold anything. Their scores are masked. Their
 * weights are then 0, but 0 times NaN is NaN, so the filling warp overwrites these rows of values with zeros, once they have
 * arrived and before it says that they are there.
 * Grid (ceil(longest * heads / kv_heads / 128), kv_heads, sequences), block 384, shared 1280 * D - 16,224 bytes (4 stages).
 *
 * Bits: attention.cuh's order of additions, with products of 16 keys or dimensions that another instruction adds up. Whether
 * the hardware does so as in paged_attention_decode.cu is for the host to find out. Reference: executor.cpu.Attention.
 */
// architectures: sm_90a
#include "prefill_ring.cuh"
#include "wgmma.cuh"

constexpr int THREADS = (GROUPS + 1) * GROUP_THREADS; // registers are given to four warps at a time, so the last four fill
constexpr int FILLING_REGISTERS = 40;
constexpr int COMPUTING_REGISTERS = 232;

/** The pairs of four warps. */
template <class T, int D>
struct Attending {
    Shared<D> shared;
    int group;
    u32 first_queries[4][4]; // the first 64 elements
    float scores[TILE_KEYS / 8][4];
    u32 weights[TILE_KEYS / 16][4];
    Rows<D> total, chunk;

    __device__ __forceinline__ void load_queries(const T* queries, const Part& part, const RowPair& rows) {
        if constexpr (D > 64) {
            constexpr int PIECES = D / 8 - 8; // of a row, in shared memory
            int first = part.first_pair + group * GROUP_PAIRS;
            for (int i = threadIdx.x % GROUP_THREADS; i < GROUP_PAIRS * PIECES; i += GROUP_THREADS) {
                int row = i / PIECES;
                int piece = i % PIECES;
                copy_async_16(shared.queries(group) + Shared<D>::piece_at(row, piece),
                              queries + part.at(first + row) * D + 64 + piece * 8, true);
            }
            commit_copies();
        }
        ::load_queries<T, 64>(
            first_queries, queries + part.at(rows.pair[0]) * D, queries + part.at(rows.pair[1]) * D);
        if constexpr (D > 64) {
            wait_for_copies<0>();
            show_written();
            arrive(shared.flags() + QUERIES_THERE + group);
            wait_for_phase(shared.flags() + QUERIES_THERE + group, 0);
        }
    }

    /** Begins the products of queries and keys of the stage, once the keys are there. */
    __device__ __forceinline__ void begin_scores(RingPlace place) {
        wait_for_phase(shared.flags() + KEYS_THERE + place.stage, place.parity);
        auto& sums = reinterpret_cast<float(&)[TILE_KEYS / 2]>(scores);
        begin_products();
#pragma unroll
        for (int i = 0; i < 4; i++) {
            u64 keys = describe_tile(shared.keys(place.stage)) + i * 2;
            multiply_by_tile<T, TILE_KEYS, false>(sums, first_queries[i], keys, i > 0);
        }
#pragma unroll
        for (int i = 4; i < D / 16; i++) {
            u64 keys = describe_tile(shared.keys(place.stage) + i / 4 * Shared<D>::COLUMNS_BYTES) + i % 4 * 2;
            multiply_tiles<T, TILE_KEYS>(sums, describe_tile(shared.queries(group)) + i % 4 * 2, keys, 1);
        }
        commit_products();
    }

    /** Begins to add the weighted values of the stage, once they are there. */
    __device__ __forceinline__ void begin_values(RingPlace place) {
        wait_for_phase(shared.flags() + VALUES_THERE + place.stage, place.parity);
        auto& sums = reinterpret_cast<float(&)[D / 2]>(chunk.values);
        u64 values = describe_transposed_tile(shared.values(place.stage), Shared<D>::COLUMNS_BYTES);
        begin_products();
#pragma unroll
        for (int i = 0; i < TILE_KEYS / 16; i++) {
            multiply_by_tile<T, D, true>(sums, weights[i], values + i * (16 * BOX_ROW_BYTES >> 4), 1);
        }
        commit_products();
    }

    __device__ __forceinline__ void finish_values(RingPlace place) {
        wait_for_products<0>();
        settle(reinterpret_cast<float(&)[D / 2]>(chunk.values));
#pragma unroll
        for (int i = 0; i < TILE_KEYS / 16; i++) {
            settle(weights[i]);
        }
        release(VALUES_FREE + place.stage);
    }

    /** The warp is done with what the flag is for. */
    __device__ __forceinline__ void release(int flag) {
        __syncwarp();
        if (threadIdx.x % WARP == 0) {
            arrive(shared.flags() + flag);
        }
    }

    /** Goes by stages of tiles of which these pairs see nothing. */
    __device__ __forceinline__ void pass(int tiles, RingPlace& place) {
        for (int i = 0; i < tiles; i++) {
            wait_for_phase(shared.flags() + KEYS_THERE + place.stage, place.parity);
            release(KEYS_FREE + place.stage);
            wait_for_phase(shared.flags() + VALUES_THERE + place.stage, place.parity);
            release(VALUES_FREE + place.stage);
            place.advance(RING_STAGES);
        }
    }

    __device__ __forceinline__ void run(
        T* out, const T* queries, const Part& part, const VisibleKeys& visible, int window, float factor) {
        int first_pair = part.first_pair + group * GROUP_PAIRS;
        RingPlace place;
        if (first_pair > part.last_pair) {
            pass(visible.tiles, place);
            return;
        }
        int warp_pair = first_pair + threadIdx.x % GROUP_THREADS / WARP * 16;
        RowPair rows(part, warp_pair + threadIdx.x % WARP / 4);
        load_queries(queries, part, rows);
        int begin = part.first_key(first_pair, window) / TILE_KEYS - visible.first_tile;
        int end = part.position(first_pair + GROUP_PAIRS - 1) / TILE_KEYS + 1 - visible.first_tile;
        int all_from = window > 0 ? part.position(warp_pair + 15) - window + 1 : 0; // what all rows of the warp see
        int all_to = part.position(warp_pair) + 1;
        total.reset();
        chunk.reset();
        pass(begin, place);
        float rescale[2];
        auto weigh_tile = [&](int tile) {
            int key = visible.key(tile);
            if (key + TILE_KEYS > all_to || key < all_from) {
                rows.mask_unseen(scores, key, window);
            }
            weigh_scores<D>(scores, rescale, chunk, factor);
        };
        auto pack_tile = [&] {
#pragma unroll
            for (int i = 0; i < TILE_KEYS / 16; i++) {
                pack_weights<T>(weights[i], scores + 2 * i);
            }
        };
        auto finish_scores = [&](RingPlace at) {
            settle(reinterpret_cast<float(&)[TILE_KEYS / 2]>(scores));
            release(KEYS_FREE + at.stage);
        };
        begin_scores(place);
        wait_for_products<0>();
        finish_scores(place);
        weigh_tile(begin); // the first: there is nothing to rescale
        pack_tile();
        for (int tile = begin + 1; tile < end; tile++) {
            RingPlace before = place;
            place.advance(RING_STAGES);
            begin_scores(place);
            begin_values(before);
            wait_for_products<1>();
            finish_scores(place);
            bool begins_chunk = visible.key(tile) % CHUNK_KEYS == 0;
            if (begins_chunk) {
                finish_values(before);
                blend_chunk<D>(total, chunk);
            }
            weigh_tile(tile);
            if (!begins_chunk) {
                finish_values(before);
                rescale_values<D>(chunk, rescale);
            }
            pack_tile();
        }
        begin_values(place);
        finish_values(place);
        blend_chunk<D>(total, chunk);
        place.advance(RING_STAGES);
        pass(visible.tiles - end, place);
        rows.write<T, D>(out, part, total);
    }
};

template <class T, int D>
__device__ __forceinline__ void prefill(
    T* out, const T* queries, const TensorMap& map, const int* tables, const int* query_starts, const int* lengths,
    int table_stride, int layer, int heads, KvShape shape, int window, float scale) {
    let_next_begin();
    SLUICE_DYNAMIC_SHARED_1024(memory);
    Shared<D> shared{memory};
    u64* flags = shared.flags();
    if (threadIdx.x == 0) {
        for (int i = 0; i < RING_STAGES; i++) {
            init_flag(flags + KEYS_THERE + i, 1);
            init_flag(flags + KEYS_FREE + i, GROUPS * 4);
            init_flag(flags + VALUES_THERE + i, 1);
            init_flag(flags + VALUES_FREE + i, GROUPS * 4);
        }
        init_flag(flags + VALUES_ARRIVED, 1);
        init_flag(flags + VALUES_ARRIVED + 1, 1);
        for (int i = 0; i < GROUPS; i++) {
            init_flag(flags + QUERIES_THERE + i, GROUP_THREADS);
        }
        flags_are_ready();
    }
    __syncthreads();
    wait_for_previous();
    Part part(query_starts, lengths, heads, shape.kv_heads);
    if (part.last_pair < part.first_pair) {
        return;
    }
    VisibleKeys visible(part, window);
    int warp = __shfl_sync(ALL_LANES, threadIdx.x / WARP, 0); // the compiler then knows it to be the same in all lanes
    if (warp >= GROUPS * 4) {
        keep_registers<FILLING_REGISTERS>();
        if (warp == GROUPS * 4) {
            const int* table = tables + static_cast<i64>(blockIdx.z) * table_stride;
            Filler<D>(shared, map, table, visible, layer, shape).run();
        }
        return;
    }
    take_registers<COMPUTING_REGISTERS>();
    Attending<T, D> attending;
    attending.shared = shared;
    attending.group = warp / 4;
    attending.run(out, queries, part, visible, window, scale * 1.44269504f);
}

#define PREFILL(name, T, D)                                                                                            \
    SLUICE_KERNEL __launch_bounds__(THREADS, 1) paged_attention_prefill_wgmma_##name##_##D(                            \
        T* out, const T* queries, const __grid_constant__ TensorMap arena_map, const int* tables,                      \
        const int* query_starts, const int* lengths, int table_stride, int layer, int heads, int layers, int kv_heads, \
        int block_size, int window, float scale) {                                                                     \
        prefill<T, D>(out, queries, arena_map, tables, query_starts, lengths, table_stride, layer, heads,              \
                      KvShape{layers, kv_heads, block_size, D}, window, scale);                                        \
    }

PREFILL(bf16, Bf16, 64)
PREFILL(bf16, Bf16, 128)
PREFILL(fp16, Fp16, 64)
PREFILL(fp16, Fp16, 128)
