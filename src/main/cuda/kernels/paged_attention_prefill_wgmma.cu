/*
 * What paged_attention_prefill.cu computes, on the tensor cores of sm_90a, for heads of 64 and 128 elements.
 *
 *   arena_map     map of arena as a matrix [blocks * layers * 2 * kv_heads * block_size, D]  T, boxes of 64 elements and 16 rows
 *   block_size    a multiple of 16, so that a box never leaves a block; the other arguments as there
 *
 * A block takes 128 pairs (position, query head of one kv head), as there: four warps for each 64 of them, which hold the
 * sums of the chunk and of all chunks before in registers. So they do the first 64 elements of each query, for which shared
 * memory is read less; the others, for which there is no room, lie there. One warp lets the copy engine
 * fill a ring of stages of 64 keys, in boxes of 16; only boxes with a visible key travel. Keys and values have flags of their
 * own, so that scores are computed before the values are there. While the products of a tile's weights and values run, the
 * scores of the next tile become weights.
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
#include "attention_prefill.cuh"
#include "ring.cuh"
#include "wgmma.cuh"

constexpr int GROUP_PAIRS = 64; // of the four warps that share a product
constexpr int GROUPS = PAIRS / GROUP_PAIRS;
constexpr int GROUP_THREADS = 4 * WARP;
constexpr int THREADS = (GROUPS + 1) * GROUP_THREADS; // registers are given to four warps at a time, so the last four fill
constexpr int STAGES = 4;
constexpr int BOX_KEYS = 16;
constexpr int ROW_BYTES = 128; // of a box
constexpr int FILLING_REGISTERS = 40;
constexpr int COMPUTING_REGISTERS = 232;

/** Where the flags are. Stages have one for each of the first four. */
enum Flag {
    KEYS_THERE = 0,
    KEYS_FREE = STAGES,
    VALUES_THERE = 2 * STAGES,
    VALUES_FREE = 3 * STAGES,
    VALUES_ARRIVED = 4 * STAGES, // of the first and of the last tile, if they have to be cleared
    QUERIES_THERE = VALUES_ARRIVED + 2,
    FLAGS = QUERIES_THERE + GROUPS
};

/** The keys that a block sees, and the tiles that it visits for them. */
struct VisibleKeys {
    int first, end;
    int first_tile, tiles;

    __device__ __forceinline__ VisibleKeys(const Part& part, int window) {
        first = part.first_key(part.first_pair, window);
        end = part.position(part.last_pair) + 1;
        first_tile = first / TILE_KEYS;
        tiles = (end + TILE_KEYS - 1) / TILE_KEYS - first_tile;
    }

    __device__ __forceinline__ int key(int tile) const {
        return (first_tile + tile) * TILE_KEYS;
    }

    __device__ __forceinline__ bool has_all(int tile) const {
        return key(tile) >= first && key(tile) + TILE_KEYS <= end;
    }
};

/** What lies in shared memory. A tile is [D / 64][64 rows][64 elements], its pieces swizzled as wgmma.cuh says. */
template <int D>
struct Shared {
    static constexpr int COLUMNS_BYTES = TILE_KEYS * ROW_BYTES; // 64 elements of each row
    static constexpr int TILE_BYTES = D / 64 * COLUMNS_BYTES;
    static constexpr int QUERY_BYTES = TILE_BYTES - COLUMNS_BYTES; // without the first 64 elements

    unsigned char* all;

    __device__ __forceinline__ unsigned char* queries(int group) const {
        return all + group * QUERY_BYTES;
    }

    __device__ __forceinline__ unsigned char* keys(int stage) const {
        return all + GROUPS * QUERY_BYTES + stage * TILE_BYTES;
    }

    __device__ __forceinline__ unsigned char* values(int stage) const {
        return keys(STAGES + stage);
    }

    __device__ __forceinline__ u64* flags() const {
        return reinterpret_cast<u64*>(keys(2 * STAGES));
    }

    /** Byte offset of a piece of 8 elements. */
    static __device__ __forceinline__ int piece_at(int row, int piece) {
        return piece / 8 * COLUMNS_BYTES + row * ROW_BYTES + (piece % 8 ^ row % 8) * 16;
    }
};

/** Fills the ring; all of it by one warp, the copies by its first lane. */
template <int D>
struct Filler {
    Shared<D> shared;
    const TensorMap& map;
    const int* table;
    const VisibleKeys& visible;
    int block_size, block_rows, first_row, value_row; // in rows of the map: of a block, of the head's keys, to its values

    __device__ __forceinline__ Filler(Shared<D> shared_, const TensorMap& map_, const int* table_, const VisibleKeys& visible_,
                                      int layer, KvShape shape)
        : shared(shared_), map(map_), table(table_), visible(visible_) {
        block_size = shape.block_size;
        block_rows = static_cast<int>(shape.block_elements() / D);
        first_row = static_cast<int>(shape.head_offset(layer, blockIdx.y) / D);
        value_row = static_cast<int>(shape.key_to_value() / D);
    }

    __device__ __forceinline__ u64* arrived(int tile) const {
        return shared.flags() + VALUES_ARRIVED + (tile > 0);
    }

    __device__ __forceinline__ void load_rows(unsigned char* to, int row, u64* flag) const {
#pragma unroll
        for (int i = 0; i < D / 64; i++) {
            load_box(to + i * Shared<D>::COLUMNS_BYTES, map, i * 64, row, flag);
        }
    }

    __device__ __forceinline__ void load(int tile, RingPlace place) const {
        u64* flags = shared.flags();
        int key = visible.key(tile);
        int rows[TILE_KEYS / BOX_KEYS];
        int boxes = 0;
#pragma unroll
        for (int i = 0; i < TILE_KEYS / BOX_KEYS; i++) {
            int at = key + i * BOX_KEYS;
            rows[i] = -1;
            if (at < visible.end && at + BOX_KEYS > visible.first) {
                rows[i] = __ldg(table + at / block_size) * block_rows + first_row + at % block_size;
                boxes++;
            }
        }
        int bytes = boxes * BOX_KEYS * D * 2;
        u64* there = flags + KEYS_THERE + place.stage;
        wait_for_phase(flags + KEYS_FREE + place.stage, place.parity ^ 1);
        arrive_and_expect(there, bytes);
#pragma unroll
        for (int i = 0; i < TILE_KEYS / BOX_KEYS; i++) {
            if (rows[i] >= 0) {
                load_rows(shared.keys(place.stage) + i * BOX_KEYS * ROW_BYTES, rows[i], there);
            }
        }
        there = visible.has_all(tile) ? flags + VALUES_THERE + place.stage : arrived(tile);
        wait_for_phase(flags + VALUES_FREE + place.stage, place.parity ^ 1);
        arrive_and_expect(there, bytes);
#pragma unroll
        for (int i = 0; i < TILE_KEYS / BOX_KEYS; i++) {
            if (rows[i] >= 0) {
                load_rows(shared.values(place.stage) + i * BOX_KEYS * ROW_BYTES, rows[i] + value_row, there);
            }
        }
    }

    /** Once a tile's values have arrived: zeros for those that the block does not see. */
    __device__ __forceinline__ void clear_unseen(int tile) const {
        int stage = tile % STAGES;
        __syncwarp();
        wait_for_phase(arrived(tile), 0);
        for (int i = threadIdx.x % WARP; i < TILE_KEYS * D / 8; i += WARP) {
            int row = i / (D / 8);
            int key = visible.key(tile) + row;
            if (key < visible.first || key >= visible.end) {
                *reinterpret_cast<uint4*>(shared.values(stage) + Shared<D>::piece_at(row, i % (D / 8)))
                    = make_uint4(0, 0, 0, 0);
            }
        }
        show_written();
        __syncwarp();
        if (threadIdx.x % WARP == 0) {
            arrive(shared.flags() + VALUES_THERE + stage);
        }
    }

    __device__ __forceinline__ void run() const {
        int last = visible.tiles - 1;
        bool clear_first = !visible.has_all(0);
        RingPlace place;
        for (int tile = 0; tile <= last; tile++) {
            if (tile == STAGES && clear_first) {
                clear_unseen(0); // no earlier, so that the ring is full meanwhile; nobody frees a stage before
            }
            if (threadIdx.x % WARP == 0) {
                load(tile, place);
            }
            place.advance(STAGES);
        }
        if (last < STAGES && clear_first) {
            clear_unseen(0);
        }
        if (last > 0 && !visible.has_all(last)) {
            clear_unseen(last);
        }
    }
};

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
            multiply_by_tile<T, D, true>(sums, weights[i], values + i * (16 * ROW_BYTES >> 4), 1);
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
            place.advance(STAGES);
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
            place.advance(STAGES);
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
        place.advance(STAGES);
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
        for (int i = 0; i < STAGES; i++) {
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
