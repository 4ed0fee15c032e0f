/*
 * Attention of one query position per sequence over its paged keys (flash decoding).
 *
 *   out[r, h, :] = sum over keys k of softmax_k(scale * q[r, h] . K[k]) * V[k],  keys lengths[r] - window .. lengths[r] - 1
 *
 *   out        [rows, heads * D]                         T
 *   partial    [rows, heads, splits, D]                  float, of rows with more than one split
 *   stats      [rows, heads, splits]                     float2: largest score * scale * log2(e), sum of weights
 *   queries    [rows, heads * D]                         T, rotated
 *   arena      [block][layer][K, V][kv head][slot][D]    T, with the row's own key and value in it
 *   tables     [rows, table_stride]                      int, block of position p at p / block_size
 *   lengths    [rows]  int, positions up to and with the row's own; 0: an unused row, nothing is written
 *   window     0 is all;  block_size a multiple of 16;  heads a multiple of kv_heads
 *   splits     at least those of the longest row (split.cuh), the same for both kernels; at most 32
 *
 * decode: all query heads of a kv head together are the rows of one matrix product, 16 at a time. Each of the 4 warps takes
 * every fourth tile of 16 keys through its own ring of asynchronous copies, without a barrier; then the four are blended.
 *   grid (splits, kv_heads * ceil(heads / kv_heads / 16), rows), block 128, shared 768 * D bytes.
 * reduce: blends the splits in ascending order.   grid (heads, rows), block 128.
 * Order of additions: a function of length and window alone. Reference: executor.cpu.Attention.
 */
#include "attention.cuh"
#include "split.cuh"

constexpr int TILE = 16; // keys; block sizes are multiples of it, so a tile is one contiguous piece of a block
constexpr int STAGES = 3;
constexpr int WARPS = 4;

template <class T, int D>
__device__ __forceinline__ void load_tile(T* tile, const T* arena, const int* table, int key, const Split& split, KvShape shape) {
    int block = __ldg(table + key / shape.block_size);
    const T* keys = arena + block * shape.block_elements() + key % shape.block_size * D;
    for (int i = threadIdx.x % WARP; i < TILE * D / 8; i += WARP) {
        int row = i / (D / 8);
        int at = chunk_at<D>(row, i % (D / 8));
        // What is not visible may never have been written: zeros, since 0 * NaN would reach the sums.
        bool visible = key + row >= split.first && key + row < split.end;
        copy_async_16(tile + at, keys + i * 8, visible);
        copy_async_16(tile + TILE * D + at, keys + shape.key_to_value() + i * 8, visible);
    }
}

/** The warps' results for 16 query heads, blended in the order of the warps. */
template <class T, int D>
__device__ __forceinline__ void blend_warps(
    T* out, float* partial, float2* stats, const float* sums, const float (&largest)[WARPS][16],
    const float (&weight)[WARPS][16], int rows, i64 first_head, int splits, bool whole) {
    for (int i = threadIdx.x; i < rows * D; i += blockDim.x) {
        int row = i / D;
        float top = MINUS_INFINITY;
        for (int w = 0; w < WARPS; w++) {
            top = fmaxf(top, largest[w][row]);
        }
        float total = 0;
        float value = 0;
        for (int w = 0; w < WARPS; w++) {
            float factor = exp2_fast(largest[w][row] - top);
            total += weight[w][row] * factor;
            value += sums[(w * 16 + row) * D + i % D] * factor;
        }
        i64 head = first_head + row;
        if (whole) {
            out[head * D + i % D] = from_float<T>(value / total);
        } else {
            i64 at = head * splits + blockIdx.x;
            partial[at * D + i % D] = value;
            if (i % D == 0) {
                stats[at] = make_float2(top, total);
            }
        }
    }
}

template <class T, int D>
__device__ __forceinline__ void decode(
    T* out, float* partial, float2* stats, const T* queries, const T* arena, const int* tables, const int* lengths,
    int table_stride, int layer, int heads, KvShape shape, int window, float scale) {
    int row = blockIdx.z;
    Split split(lengths[row], window);
    if (static_cast<int>(blockIdx.x) >= split.count) {
        return;
    }
    SLUICE_DYNAMIC_SHARED(shared);
    __shared__ float largest[WARPS][16];
    __shared__ float weight[WARPS][16];
    int group = heads / shape.kv_heads;
    int parts = (group + 15) / 16;
    int kv_head = blockIdx.y / parts;
    int first = blockIdx.y % parts * 16;
    int used = min(group - first, 16);
    i64 first_head = static_cast<i64>(row) * heads + kv_head * group + first;
    int warp = threadIdx.x / WARP;
    int g = threadIdx.x % WARP / 4;
    T* ring = reinterpret_cast<T*>(shared) + warp * STAGES * 2 * TILE * D;
    const T* head_arena = arena + shape.head_offset(layer, kv_head);
    const int* table = tables + static_cast<i64>(row) * table_stride;

    u32 q[D / 16][4];
    const T* query = queries + (first_head + g) * D;
    load_queries<T, D>(q, g < used ? query : nullptr, g + 8 < used ? query + 8 * D : nullptr);
    Rows<D> state;
    state.reset();
    float factor = scale * 1.44269504f;
    int begin = split.start + blockIdx.x * split.keys + warp * TILE;
    int end = min(split.start + static_cast<int>(blockIdx.x + 1) * split.keys, split.end);
    for (int i = 0; i < STAGES - 1; i++) {
        int key = begin + i * WARPS * TILE;
        if (key < end) {
            load_tile<T, D>(ring + i * 2 * TILE * D, head_arena, table, key, split, shape);
        }
        commit_copies();
    }
    int stage = 0;
    for (int key = begin; key < end; key += WARPS * TILE) {
        wait_for_copies<STAGES - 2>();
        __syncwarp(); // the other lanes' copies too, and all lanes are done with the stage that is filled next
        int ahead = key + (STAGES - 1) * WARPS * TILE;
        if (ahead < end) {
            int next = stage == 0 ? STAGES - 1 : stage - 1;
            load_tile<T, D>(ring + next * 2 * TILE * D, head_arena, table, ahead, split, shape);
        }
        commit_copies();
        const T* tile = ring + stage * 2 * TILE * D;
        float scores[TILE / 8][4];
        multiply_keys<T, D, TILE>(scores, q, tile);
        int from = split.first - key;
        int to = split.end - key;
        mask<TILE>(scores, {from, from}, {to, to});
        weigh<D, TILE>(scores, state, factor);
        add_values<T, D, TILE>(state, scores, tile + TILE * D);
        stage = stage == STAGES - 1 ? 0 : stage + 1;
    }
    state.finish_sums();
    wait_for_copies<0>();
    __syncthreads(); // the rings are free: the sums go there
    float* sums = reinterpret_cast<float*>(shared);
#pragma unroll
    for (int i = 0; i < D / 8; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            sums[(warp * 16 + g + j / 2 * 8) * D + i * 8 + threadIdx.x % 4 * 2 + j % 2] = state.values[i][j];
        }
    }
    if (threadIdx.x % 4 < 2) {
        int which = threadIdx.x % 4;
        float top = which == 0 ? state.largest[0] : state.largest[1];
        largest[warp][g + which * 8] = top * factor;
        weight[warp][g + which * 8] = which == 0 ? state.sum[0] : state.sum[1];
    }
    __syncthreads();
    blend_warps<T, D>(out, partial, stats, sums, largest, weight, used, first_head, gridDim.x, split.count == 1);
}

template <class T>
__device__ __forceinline__ void reduce(
    T* out, const float* partial, const float2* stats, const int* lengths, int splits, int dim, int window) {
    Split split(lengths[blockIdx.y], window);
    if (split.count <= 1) {
        return; // already written, or nothing to write
    }
    i64 head = static_cast<i64>(blockIdx.y) * gridDim.x + blockIdx.x;
    const float2* stat = stats + head * splits;
    float top = MINUS_INFINITY;
    for (int i = 0; i < split.count; i++) {
        top = fmaxf(top, stat[i].x);
    }
    for (int d = threadIdx.x; d < dim; d += blockDim.x) {
        float total = 0;
        float value = 0;
        for (int i = 0; i < split.count; i++) {
            float factor = exp2_fast(stat[i].x - top);
            total += stat[i].y * factor;
            value += partial[(head * splits + i) * dim + d] * factor;
        }
        out[head * dim + d] = from_float<T>(value / total);
    }
}

#define DECODE(name, T, D)                                                                                             \
    SLUICE_KERNEL __launch_bounds__(128) paged_attention_decode_##name##_##D(                                          \
        T* out, float* partial, float2* stats, const T* queries, const T* arena, const int* tables,                    \
        const int* lengths, int table_stride, int layer, int heads, int layers, int kv_heads, int block_size,          \
        int window, float scale) {                                                                                     \
        decode<T, D>(out, partial, stats, queries, arena, tables, lengths, table_stride, layer, heads,                 \
                     KvShape{layers, kv_heads, block_size, D}, window, scale);                                         \
    }

#define REDUCE(name, T)                                                                                                \
    SLUICE_KERNEL __launch_bounds__(128) paged_attention_reduce_##name(                                                \
        T* out, const float* partial, const float2* stats, const int* lengths, int splits, int dim, int window) {      \
        reduce<T>(out, partial, stats, lengths, splits, dim, window);                                                  \
    }

DECODE(bf16, Bf16, 16)
DECODE(bf16, Bf16, 32)
DECODE(bf16, Bf16, 64)
DECODE(bf16, Bf16, 128)
DECODE(fp16, Fp16, 64)
DECODE(fp16, Fp16, 128)
REDUCE(bf16, Bf16)
REDUCE(fp16, Fp16)
