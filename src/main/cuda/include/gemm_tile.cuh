/* Matrix products by tiles: the body of gemm.cu and of its quantised kin, which give the shapes. */
#pragma once
#include "gemm_step.cuh"

constexpr int STAGES = 4;
constexpr int STRIPE = 16; // tiles of rows

/** Copies a chunk of ROWS rows to a stage; zeros where the matrix ends. */
template <int ROWS, int THREADS>
__device__ __forceinline__ void load_rows(uint4* stage, const uint4* matrix, int first, int rows, int chunk, int words) {
#pragma unroll
    for (int i = threadIdx.x; i < ROWS * 4; i += THREADS) {
        int row = first + i / 4;
        int word = chunk * 4 + i % 4;
        bool inside = row < rows && word < words;
        copy_async_16(stage + i, matrix + (inside ? static_cast<i64>(row) * words + word : 0), inside);
    }
}

/** ROWS x COLUMNS of C by a block, of which each warp has WARP_ROWS x WARP_COLUMNS. */
template <class T, int ROWS, int COLUMNS, int WARP_ROWS, int WARP_COLUMNS, class Out, class Scale>
__device__ __forceinline__ void gemm(Out* c, const uint4* a, const uint4* w, Scale scale, int m, int n, int k) {
    constexpr int ACROSS = COLUMNS / WARP_COLUMNS;
    constexpr int THREADS = ROWS / WARP_ROWS * ACROSS * WARP;
    constexpr int STAGE = (ROWS + COLUMNS) * 4; // words of 16 bytes
    begin_after_previous();
    SLUICE_DYNAMIC_SHARED(shared);
    uint4* ring = reinterpret_cast<uint4*>(shared);
    int tiles_down = (m + ROWS - 1) / ROWS;
    int tiles_across = (n + COLUMNS - 1) / COLUMNS;
    int stripe = blockIdx.x / (STRIPE * tiles_across);
    int height = min(tiles_down - stripe * STRIPE, STRIPE);
    int in_stripe = blockIdx.x - stripe * STRIPE * tiles_across;
    int first_row = (stripe * STRIPE + in_stripe % height) * ROWS;
    int first_column = in_stripe / height * COLUMNS;
    int words = k / static_cast<int>(16 / sizeof(T));
    constexpr int CHUNK = 64 / sizeof(T); // k
    int chunks = (k + CHUNK - 1) / CHUNK;

#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
        load_rows<ROWS, THREADS>(ring + i * STAGE, a, first_row, m, i, words);
        load_rows<COLUMNS, THREADS>(ring + i * STAGE + ROWS * 4, w, first_column, n, i, words);
        commit_copies();
    }
    int warp = threadIdx.x / WARP;
    int g = threadIdx.x % WARP / 4;
    int t = threadIdx.x % 4;
    int warp_row = warp / ACROSS * WARP_ROWS;
    int warp_column = warp % ACROSS * WARP_COLUMNS;
    typename T::Sum sums[WARP_ROWS / 16][WARP_COLUMNS / 8][4] = {};
    for (int chunk = 0; chunk < chunks; chunk++) {
        wait_for_copies<STAGES - 2>();
        __syncthreads(); // the chunk is there for all, and all are done with the one before: its place is filled now
        int ahead = chunk + STAGES - 1;
        uint4* next = ring + ahead % STAGES * STAGE;
        load_rows<ROWS, THREADS>(next, a, first_row, m, ahead, words);
        load_rows<COLUMNS, THREADS>(next + ROWS * 4, w, first_column, n, ahead, words);
        commit_copies();
        const uint4* rows = ring + chunk % STAGES * STAGE + (warp_row + g) * 4 + t;
        const uint4* columns = ring + chunk % STAGES * STAGE + (ROWS + warp_column + g) * 4 + t;
        uint4 weights[WARP_COLUMNS / 8];
#pragma unroll
        for (int j = 0; j < WARP_COLUMNS / 8; j++) {
            weights[j] = columns[j * 8 * 4];
        }
#pragma unroll
        for (int i = 0; i < WARP_ROWS / 16; i++) {
            uint4 low = rows[i * 16 * 4];
            uint4 high = rows[(i * 16 + 8) * 4];
#pragma unroll
            for (int j = 0; j < WARP_COLUMNS / 8; j++) {
                multiply_chunk<T>(sums[i][j], low, high, weights[j]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < WARP_ROWS / 16; i++) {
#pragma unroll
        for (int j = 0; j < WARP_COLUMNS / 8; j++) {
            int row = first_row + warp_row + i * 16 + g;
            int column = first_column + warp_column + j * 8 + 2 * t;
            if (row < m) {
                store_pair(c, scale, row, column, n, sums[i][j][0], sums[i][j][1]);
            }
            if (row + 8 < m) {
                store_pair(c, scale, row + 8, column, n, sums[i][j][2], sums[i][j][3]);
            }
        }
    }
}
