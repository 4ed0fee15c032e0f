/* Matrix products by tiles of four warps: the body of gemm_wgmma.cu and of its quantised kin, which give the shapes. */
#pragma once
#include "gate.cuh"
#include "gemm_step.cuh"
#include "ring.cuh"
#include "wgmma.cuh"

constexpr int ROW_BYTES = 128; // of k, of a stage
constexpr int WEIGHT_BOX = 32; // rows of W that one copy brings
constexpr int STRIPE_TILES = 16; // tiles of rows

/** Tiles in stripes, so that what runs at the same time shares A and W in L2. Blocks of a cluster take neighbours of a row. */
template <int CLUSTER>
struct TileOrder {
    int down, across; // across: a cluster's tiles count as one
    int rank; // in the cluster

    __device__ __forceinline__ int count() const {
        return down * across;
    }

    __device__ __forceinline__ int first() const {
        return blockIdx.x / CLUSTER;
    }

    __device__ __forceinline__ int step() const {
        return gridDim.x / CLUSTER;
    }

    __device__ __forceinline__ void place(int tile, int& row, int& column) const {
        int stripe = tile / (STRIPE_TILES * across);
        int height = min(down - stripe * STRIPE_TILES, STRIPE_TILES);
        int within = tile - stripe * STRIPE_TILES * across;
        row = stripe * STRIPE_TILES + within % height;
        column = within / height * CLUSTER + rank;
    }
};

/** Two words of a lane, and of the lane beside it, as a 2 x 2 matrix: transposed. */
__device__ __forceinline__ void transpose_pair(u32& first, u32& second) {
    bool odd = threadIdx.x % 2 == 1;
    u32 other = __shfl_xor_sync(ALL_LANES, odd ? first : second, 1);
    (odd ? first : second) = other;
}

/** Four words of a lane, and of the three lanes beside it, as a 4 x 4 matrix: transposed. */
__device__ __forceinline__ void transpose_quad(u32 (&w)[4]) {
    int t = threadIdx.x % 4;
    transpose_pair(w[0], w[1]);
    transpose_pair(w[2], w[3]);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        u32 other = __shfl_xor_sync(ALL_LANES, t & 2 ? w[i] : w[i + 2], 2);
        (t & 2 ? w[i] : w[i + 2]) = other;
    }
}

/** A row of the tile, of which this lane has columns 8j + 2t and 8j + 2t + 1: sums[4j] and sums[4j + 1]. */
template <int COLUMNS, class Out, class Scale, class Sum>
__device__ __forceinline__ void store_row(Out* c, Scale scale, int row, int first_column, int m, int n, const Sum* sums) {
    int t = threadIdx.x % 4;
    if constexpr (sizeof(Out) == 2) {
        if (n % 8 == 0) {
            // Eight neighbours to a lane and 64 bytes to a row, by an exchange among the four lanes of a row.
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j += 4) {
                u32 words[4];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    int column = first_column + (j + i) * 8 + 2 * t;
                    words[i] = row < m ? pack<Out>(scale(sums[4 * (j + i)], row, column, n),
                                                   scale(sums[4 * (j + i) + 1], row, column + 1, n))
                                       : 0;
                }
                transpose_quad(words);
                int column = first_column + (j + t) * 8;
                if (row < m && column < n) {
                    *reinterpret_cast<uint4*>(c + static_cast<i64>(row) * n + column)
                        = make_uint4(words[0], words[1], words[2], words[3]);
                }
            }
            return;
        }
    }
    if (row < m) {
#pragma unroll
        for (int j = 0; j < COLUMNS / 8; j++) {
            store_pair(c, scale, row, first_column + j * 8 + 2 * t, n, sums[4 * j], sums[4 * j + 1]);
        }
    }
}

/**
 * A result that is silu(gate) * up. W's rows, and so the columns of a tile, are gates and ups in turn, eight of each: so a lane
 * has both of the same results, and C is half as wide as W has rows.
 */
template <class T>
struct SiluMul {
    T value;
};

/** A row of the tile as above, but that gates and ups, each rounded to T, become half as many results: a multiple of 8. */
template <int COLUMNS, class T, class Scale>
__device__ __forceinline__ void store_row(
    SiluMul<T>* c, Scale, int row, int first_column, int m, int n, const float* sums) {
    static_assert(COLUMNS % 32 == 0, "16 results at a time");
    int t = threadIdx.x % 4;
    int width = n / 2;
#pragma unroll
    for (int i = 0; i < COLUMNS / 2; i += 16) {
        int first_result = first_column / 2 + i;
        if (first_result >= width) {
            return; // the same for all lanes. Also a bound for the compiler: 4 results at a time, else registers run out
        }
        // Four neighbours to a lane and 32 bytes to a row, by an exchange between two lanes.
        const float* s = sums + i; // of 32 columns
        u32 words[2];
#pragma unroll
        for (int j = 0; j < 2; j++) {
            words[j] = gate2<T>(pack<T>(s[8 * j], s[8 * j + 1]), pack<T>(s[8 * j + 4], s[8 * j + 5]));
        }
        transpose_pair(words[0], words[1]);
        int column = first_result + t % 2 * 8 + t / 2 * 4;
        if (row < m && column < width) {
            *reinterpret_cast<uint2*>(c + static_cast<i64>(row) * width + column) = make_uint2(words[0], words[1]);
        }
    }
}

/** The warp is done with a stage. */
template <int STAGES, int CLUSTER>
__device__ __forceinline__ void release_stage(u64* flags, int stage) {
    __syncwarp();
    int lane = threadIdx.x % WARP;
    if constexpr (CLUSTER > 1) {
        if (lane < CLUSTER) { // all blocks bring rows of A to it
            arrive_at(flags + STAGES + stage, lane);
        }
    } else if (lane == 0) {
        arrive(flags + STAGES + stage);
    }
}

/** The sums of a tile of 64 rows, stage by stage; the last stage is read until the next one is added. */
template <class T, int COLUMNS, int STAGES, int CLUSTER>
struct TileSums {
    typename T::Sum sums[COLUMNS / 2];

    __device__ __forceinline__ void add(const unsigned char* rows, const unsigned char* columns, u64* flags, RingPlace place,
                                        int chunk) {
        u64 a = describe_tile(rows);
        u64 b = describe_tile(columns);
        begin_products();
#pragma unroll
        for (int i = 0; i < ROW_BYTES / 32; i++) {
            multiply_tiles<T, COLUMNS>(sums, a + 2 * i, b + 2 * i, chunk + i > 0);
        }
        commit_products();
        wait_for_products<1>();
        if (chunk > 0) {
            release_stage<STAGES, CLUSTER>(flags, (place.stage + STAGES - 1) % STAGES);
        }
    }

    __device__ __forceinline__ void finish(u64* flags, int last_stage) {
        wait_for_products<0>();
        release_stage<STAGES, CLUSTER>(flags, last_stage);
    }
};

/** Of e4m3 the tensor cores keep 13 bits of a sum's mantissa, too few for a long row: so theirs is the sum of a stage alone. */
template <int COLUMNS, int STAGES, int CLUSTER>
struct TileSums<E4m3, COLUMNS, STAGES, CLUSTER> {
    float sums[COLUMNS / 2];

    __device__ __forceinline__ void add(const unsigned char* rows, const unsigned char* columns, u64* flags, RingPlace place,
                                        int chunk) {
        u64 a = describe_tile(rows);
        u64 b = describe_tile(columns);
        float stage_sums[COLUMNS / 2];
        begin_products();
#pragma unroll
        for (int i = 0; i < ROW_BYTES / 32; i++) {
            multiply_tiles<E4m3, COLUMNS>(stage_sums, a + 2 * i, b + 2 * i, i > 0);
        }
        commit_products();
        wait_for_products<0>();
        release_stage<STAGES, CLUSTER>(flags, place.stage);
#pragma unroll
        for (int i = 0; i < COLUMNS / 2; i++) {
            sums[i] = chunk == 0 ? stage_sums[i] : sums[i] + stage_sums[i];
        }
    }

    __device__ __forceinline__ void finish(u64*, int) {}
};

/**
 * A's rows of all stages, W's of all stages, then the flags. A product reads 64 rows of A, even where a stage has only 8: its
 * others are then rows of stages behind it, or of W, which may be on their way or not there yet. That does no harm, since a
 * row of C depends on its own row of A alone, and those behind the tile's last row are not stored; and it stays in the ring,
 * since W's rows of all stages are more than 64.
 */
template <int ROWS, int COLUMNS, int STAGES>
struct RingLayout {
    static constexpr int BYTES = STAGES * (ROWS + COLUMNS) * ROW_BYTES;
    static_assert(ROWS % 8 == 0 && COLUMNS % 8 == 0, "the swizzle repeats after 1024 bytes");
    static_assert(ROWS + STAGES * COLUMNS >= 64, "the last stage's product stays in the ring");

    unsigned char* ring;

    __device__ __forceinline__ unsigned char* rows(int stage) const {
        return ring + stage * ROWS * ROW_BYTES;
    }

    __device__ __forceinline__ unsigned char* columns(int stage) const {
        return ring + (STAGES * ROWS + stage * COLUMNS) * ROW_BYTES;
    }

    __device__ __forceinline__ u64* flags() const { // full [STAGES], then empty [STAGES]
        return reinterpret_cast<u64*>(ring + BYTES);
    }
};

/**
 * Brings stages of A and W, as long as there are tiles and places, and waits for the kernels before; by one thread. The blocks
 * of a cluster need the same rows of A: they take turns to bring a box of them to all.
 */
template <int ROWS, int COLUMNS, int STAGES, int CLUSTER>
__device__ __forceinline__ void fill_ring(
    RingLayout<ROWS, COLUMNS, STAGES> layout, const TensorMap& a, const TensorMap& w, TileOrder<CLUSTER> order, int m,
    int n, int chunks, int chunk_elements, int a_box) {
    u64* flags = layout.flags();
    auto load_columns = [&](RingPlace place, int rows, int first_column, int chunk) {
        int columns = max(min(n - first_column, COLUMNS), 0); // none in the last block, if the tiles are an odd number
        int boxes = (rows + a_box - 1) / a_box * a_box + (columns + WEIGHT_BOX - 1) / WEIGHT_BOX * WEIGHT_BOX;
        arrive_and_expect(flags + place.stage, boxes * ROW_BYTES);
        for (int i = 0; i < columns; i += WEIGHT_BOX) {
            load_box(layout.columns(place.stage) + i * ROW_BYTES, w, chunk * chunk_elements, first_column + i,
                     flags + place.stage);
        }
    };
    int ahead = order.first() < order.count() ? min(STAGES, chunks) : 0; // stages of weights that need not wait
    RingPlace place;
    for (int chunk = 0; chunk < ahead; chunk++) {
        int row, column;
        order.place(order.first(), row, column);
        load_columns(place, min(m - row * ROWS, ROWS), column * COLUMNS, chunk);
        place.advance(STAGES);
    }
    wait_for_previous();
    place = RingPlace();
    for (int tile = order.first(); tile < order.count(); tile += order.step()) {
        int row, column;
        order.place(tile, row, column);
        int rows = min(m - row * ROWS, ROWS);
        for (int chunk = 0; chunk < chunks; chunk++) {
            if (ahead > 0) {
                ahead--;
            } else {
                wait_for_phase(flags + STAGES + place.stage, place.parity ^ 1);
                load_columns(place, rows, column * COLUMNS, chunk);
            }
            for (int i = order.rank * a_box; i < rows; i += CLUSTER * a_box) {
                unsigned char* to = layout.rows(place.stage) + i * ROW_BYTES;
                if constexpr (CLUSTER > 1) {
                    load_box_for((1 << CLUSTER) - 1, to, a, chunk * chunk_elements, row * ROWS + i, flags + place.stage);
                } else {
                    load_box(to, a, chunk * chunk_elements, row * ROWS + i, flags + place.stage);
                }
            }
            place.advance(STAGES);
        }
    }
}

/** A block that ends takes its shared memory with it: not before the others have filled and released their last stage. */
template <int CLUSTER>
__device__ __forceinline__ void leave_cluster() {
    if constexpr (CLUSTER > 1) {
        meet_cluster();
    }
}

/**
 * ROWS x COLUMNS of C at a time; every 64 rows have four warps, and one warp more fills the ring.
 *
 * The blocks of a cluster compute neighbouring tiles of the same rows, with A's rows from the L2 cache once for all: each
 * brings its part to all, into a stage that the warps of all have released. One that has no tile left at the end of a row of
 * tiles does the same as the others, with columns that are not stored, since they count on its part of A.
 *
 * @tparam ROWS a multiple of 64, or 8: then m is at most 8
 * @tparam CLUSTER blocks of a cluster, of which the grid is a multiple
 */
template <class T, int ROWS, int COLUMNS, int STAGES, int CLUSTER = 1, class Out, class Scale>
__device__ __forceinline__ void gemm_wgmma(
    Out* c, const TensorMap& a, const TensorMap& w, Scale scale, int m, int n, int k, int a_box) {
    static_assert(ROWS % 64 == 0 || ROWS == 8);
    constexpr int WARPS = ROWS < 64 ? 4 : ROWS / 16;
    constexpr int CHUNK = ROW_BYTES / sizeof(T);
    int warp = __shfl_sync(ALL_LANES, threadIdx.x / WARP, 0); // the compiler then knows it to be the same in all lanes
    if (warp == WARPS && threadIdx.x % WARP == 0) {
        prefetch_map(w);
        prefetch_map(a);
    }
    let_next_begin();
    SLUICE_DYNAMIC_SHARED_1024(ring);
    RingLayout<ROWS, COLUMNS, STAGES> layout{ring};
    u64* flags = layout.flags();
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            init_flag(flags + i, 1);
            init_flag(flags + STAGES + i, WARPS * CLUSTER);
        }
        flags_are_ready();
    }
    int rank = 0;
    if constexpr (CLUSTER > 1) {
        rank = cluster_rank();
        meet_cluster(); // before one brings rows to another, whose flags must be there
    } else {
        __syncthreads();
    }
    constexpr int ACROSS = COLUMNS * CLUSTER;
    TileOrder<CLUSTER> order{(m + ROWS - 1) / ROWS, (n + ACROSS - 1) / ACROSS, rank};
    int chunks = (k + CHUNK - 1) / CHUNK;
    if (warp == WARPS) {
        if (threadIdx.x % WARP == 0) {
            fill_ring<ROWS, COLUMNS, STAGES, CLUSTER>(layout, a, w, order, m, n, chunks, CHUNK, a_box);
        } else {
            wait_for_previous();
        }
        leave_cluster<CLUSTER>();
        return;
    }
    wait_for_previous();
    int group_row = warp / 4 * 64;
    RingPlace place;
    for (int tile = order.first(); tile < order.count(); tile += order.step()) {
        TileSums<T, COLUMNS, STAGES, CLUSTER> tile_sums;
        int last_stage = 0;
        for (int chunk = 0; chunk < chunks; chunk++) {
            wait_for_phase(flags + place.stage, place.parity);
            tile_sums.add(layout.rows(place.stage) + group_row * ROW_BYTES, layout.columns(place.stage), flags, place, chunk);
            last_stage = place.stage;
            place.advance(STAGES);
        }
        tile_sums.finish(flags, last_stage);
        int row, column;
        order.place(tile, row, column);
        row = row * ROWS + group_row + warp % 4 * 16 + threadIdx.x % WARP / 4;
        store_row<COLUMNS>(c, scale, row, column * COLUMNS, m, n, tile_sums.sums);
        if constexpr (ROWS > 8) {
            store_row<COLUMNS>(c, scale, row + 8, column * COLUMNS, m, n, tile_sums.sums + 2);
        }
    }
    leave_cluster<CLUSTER>();
}

/** The blocks are of one multiprocessor, at least. A tile's threads: four warps for 64 rows or fewer, and one more. */
#define GEMM_WGMMA_THREADS(rows) ((rows < 64 ? 64 : rows) * 2 + 32)

#define GEMM_WGMMA(tile, name, T, Out, rows, columns, stages, blocks)                                                  \
    SLUICE_KERNEL __launch_bounds__(GEMM_WGMMA_THREADS(rows), blocks) gemm_wgmma_##tile##_##name(                      \
        Out* c, const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap w, int m, int n, int k,         \
        int a_box) {                                                                                                   \
        gemm_wgmma<T, rows, columns, stages>(c, a, w, Unscaled(), m, n, k, a_box);                                     \
    }

#define GEMM_WGMMA_SCALED(tile, name, T, Out, rows, columns, stages, blocks)                                           \
    SLUICE_KERNEL __launch_bounds__(GEMM_WGMMA_THREADS(rows), blocks) gemm_wgmma_##tile##_##name(                      \
        Out* c, const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap w, const float* a_scale,        \
        const float* w_scale, int m, int n, int k, int a_box) {                                                        \
        gemm_wgmma<T, rows, columns, stages>(c, a, w, Scaled{a_scale, w_scale}, m, n, k, a_box);                       \
    }

/** The same by clusters of two blocks, which share A's rows. */
#define GEMM_WGMMA_PAIR(tile, name, T, Out, rows, columns, stages, blocks)                                             \
    SLUICE_KERNEL __cluster_dims__(2, 1, 1) __launch_bounds__(GEMM_WGMMA_THREADS(rows), blocks)                        \
        gemm_wgmma_##tile##_##name(                                                                                    \
            Out* c, const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap w, int m, int n, int k,     \
            int a_box) {                                                                                               \
        gemm_wgmma<T, rows, columns, stages, 2>(c, a, w, Unscaled(), m, n, k, a_box);                                  \
    }

#define GEMM_WGMMA_SCALED_PAIR(tile, name, T, Out, rows, columns, stages, blocks)                                      \
    SLUICE_KERNEL __cluster_dims__(2, 1, 1) __launch_bounds__(GEMM_WGMMA_THREADS(rows), blocks)                        \
        gemm_wgmma_##tile##_##name(                                                                                    \
            Out* c, const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap w, const float* a_scale,    \
            const float* w_scale, int m, int n, int k, int a_box) {                                                    \
        gemm_wgmma<T, rows, columns, stages, 2>(c, a, w, Scaled{a_scale, w_scale}, m, n, k, a_box);                    \
    }
