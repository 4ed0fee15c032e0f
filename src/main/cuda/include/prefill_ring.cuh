/*
 * The ring of stages of keys and values of paged_attention_prefill_wgmma.cu: what lies where in shared memory, and the warp
 * that lets the copy engine fill it.
 *
 * The arena is a matrix of rows of D elements for the copy engine, [blocks * layers * 2 * kv_heads * block_size, D]. It copies
 * boxes of 16 rows and 64 elements: blocks hold a multiple of 16 positions, so that no box leaves one.
 */
#pragma once
#include "attention_prefill.cuh"
#include "bulk_copy.cuh"
#include "ring.cuh"

constexpr int GROUP_PAIRS = 64; // of the four warps that share a product
constexpr int GROUPS = PAIRS / GROUP_PAIRS;
constexpr int GROUP_THREADS = 4 * WARP;
constexpr int RING_STAGES = 4;
constexpr int BOX_KEYS = 16;
constexpr int BOX_ROW_BYTES = 128;

/** Where the flags are. Stages have one for each of the first four. */
enum Flag {
    KEYS_THERE = 0,
    KEYS_FREE = RING_STAGES,
    VALUES_THERE = 2 * RING_STAGES,
    VALUES_FREE = 3 * RING_STAGES,
    VALUES_ARRIVED = 4 * RING_STAGES, // of the first and of the last tile, if they have to be cleared
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
    static constexpr int COLUMNS_BYTES = TILE_KEYS * BOX_ROW_BYTES; // 64 elements of each row
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
        return keys(RING_STAGES + stage);
    }

    __device__ __forceinline__ u64* flags() const {
        return reinterpret_cast<u64*>(keys(2 * RING_STAGES));
    }

    /** Byte offset of a piece of 8 elements. */
    static __device__ __forceinline__ int piece_at(int row, int piece) {
        return piece / 8 * COLUMNS_BYTES + row * BOX_ROW_BYTES + (piece % 8 ^ row % 8) * 16;
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
                load_rows(shared.keys(place.stage) + i * BOX_KEYS * BOX_ROW_BYTES, rows[i], there);
            }
        }
        there = visible.has_all(tile) ? flags + VALUES_THERE + place.stage : arrived(tile);
        wait_for_phase(flags + VALUES_FREE + place.stage, place.parity ^ 1);
        arrive_and_expect(there, bytes);
#pragma unroll
        for (int i = 0; i < TILE_KEYS / BOX_KEYS; i++) {
            if (rows[i] >= 0) {
                load_rows(shared.values(place.stage) + i * BOX_KEYS * BOX_ROW_BYTES, rows[i] + value_row, there);
            }
        }
    }

    /** Once a tile's values have arrived: zeros for those that the block does not see. */
    __device__ __forceinline__ void clear_unseen(int tile) const {
        int stage = tile % RING_STAGES;
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
            if (tile == RING_STAGES && clear_first) {
                clear_unseen(0); // no earlier, so that the ring is full meanwhile; nobody frees a stage before
            }
            if (threadIdx.x % WARP == 0) {
                load(tile, place);
            }
            place.advance(RING_STAGES);
        }
        if (last < RING_STAGES && clear_first) {
            clear_unseen(0);
        }
        if (last > 0 && !visible.has_all(last)) {
            clear_unseen(last);
        }
    }
};
