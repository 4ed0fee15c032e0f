/*
 * Attention of one query position per sequence over its paged keys (flash decoding).
 *
 *   out[r, h, :] = sum over keys k of softmax_k(scale * q[r, h] . K[k]) * V[k],  keys lengths[r] - window .. lengths[r] - 1
 *
 *   out        [rows, heads * D]                         T
 *   partial    [rows, heads, chunks, D]                  float, sums of values
 *   stats      [rows, heads, chunks]                     float2: largest score * scale * log2(e), sum of weights
 *   queries    [rows, heads * D]                         T, rotated
 *   arena      [block][layer][K, V][kv head][slot][D]    T, with the row's own key and value in it
 *   tables     [rows, table_stride]                      int, block of position p at p / block_size
 *   lengths    [rows]  int, positions up to and with the row's own; 0: an unused row, nothing is written
 *   chunks     places for partial results; a row needs those of VisibleChunks: at most length / 256 and window / 256 + 2,
 *              both rounded up. Rows are independent: a launch for some of them bounds the workspace of a large batch
 *   window     0 is all;  block_size a multiple of 16;  heads a multiple of kv_heads
 *
 * decode: all query heads of a kv head together are the rows of one matrix product, 16 at a time. A warp takes chunk after
 * chunk, its keys and values through its own ring of asynchronous copies, and leaves a partial result of each; it waits for
 * no other warp. Which warp takes which chunk does not matter to the result: splits is whatever fills the device,
 * chunks / 4 for many rows, up to chunks for few, so that those of a short context lie on different multiprocessors.
 *   grid (splits, kv_heads * ceil(heads / kv_heads / 16), rows), block 128, shared 768 * D bytes.
 * reduce: blends the chunks in ascending order.   grid (heads, rows), block 128.
 * Order of additions: attention.cuh. Reference: executor.cpu.Attention.
 */
#include "attention.cuh"

constexpr int SLICE_KEYS = 16; // of one copy; block sizes are multiples of it, so a slice is a contiguous piece of a block
constexpr int SLICES = TILE_KEYS / SLICE_KEYS;
constexpr int STAGES = 6; // slices of keys or of values; two blocks of four warps fit into a multiprocessor's 227 KiB
constexpr int WARPS = 4;
constexpr int BLENDED_AT_ONCE = 16; // partial results on their way to a thread

/** A warp's way through a chunk: of every tile first the slices of keys, then those of values, some of them ahead. */
template <class T, int D>
struct SliceRing {
    T* stages;
    const T* arena; // keys of the head in block 0
    const int* table;
    KvShape shape;
    int first_key, end_key; // what is visible
    int next_key;
    bool next_values;
    int next_stage;

    __device__ __forceinline__ void start(int first, int end) {
        first_key = first;
        end_key = end;
        next_key = first / TILE_KEYS * TILE_KEYS;
        next_values = false;
        next_stage = 0;
        __syncwarp(); // all lanes are done with the chunk before
#pragma unroll
        for (int i = 0; i < STAGES - 1; i++) {
            load();
        }
    }

    /** The stage of the next slice, once it is there. */
    __device__ __forceinline__ const T* take() {
        wait_for_copies<STAGES - 2>();
        __syncwarp(); // the other lanes' copies too, and all lanes are done with the stage that is filled next
        load();
        return stages + next_stage * SLICE_KEYS * D; // all of them are under way, so the oldest is where the next will go
    }

    /** Something of the slice that begins with this key is visible. */
    __device__ __forceinline__ bool visible(int key) const {
        return key < end_key && key + SLICE_KEYS > first_key;
    }

  private:
    __device__ __forceinline__ void load() {
        if (visible(next_key)) {
            i64 block = __ldg(table + next_key / shape.block_size);
            const T* from = arena + block * shape.block_elements() + next_key % shape.block_size * D
                + (next_values ? shape.key_to_value() : 0);
            T* to = stages + next_stage * SLICE_KEYS * D;
            for (int i = threadIdx.x % WARP; i < SLICE_KEYS * D / 8; i += WARP) {
                int row = i / (D / 8);
                // What is not visible may never have been written: zeros, since 0 * NaN would reach the sums.
                bool present = next_key + row >= first_key && next_key + row < end_key;
                copy_async_16(to + piece_at<D>(row, i % (D / 8)), from + i * 8, present);
            }
        }
        commit_copies();
        next_stage = next_stage == STAGES - 1 ? 0 : next_stage + 1;
        next_key += SLICE_KEYS;
        if (next_key % TILE_KEYS == 0) {
            next_key -= next_values ? 0 : TILE_KEYS;
            next_values = !next_values;
        }
    }
};

/** The partial result of a chunk for up to 16 heads; heads lie chunks places from each other. */
template <int D>
__device__ __forceinline__ void write_partial(float* partial, float2* stats, const Rows<D>& state, int used, int chunks) {
#pragma unroll
    for (int row = 0; row < 2; row++) {
        int head = threadIdx.x % WARP / 4 + row * 8;
        if (head < used) {
            i64 at = static_cast<i64>(head) * chunks;
            float2* pairs = reinterpret_cast<float2*>(partial + at * D) + threadIdx.x % 4;
#pragma unroll
            for (int i = 0; i < D / 8; i++) {
                pairs[i * 4] = make_float2(state.values[i][2 * row], state.values[i][2 * row + 1]);
            }
            if (threadIdx.x % 4 == 0) {
                stats[at] = make_float2(state.largest[row], state.sum[row]);
            }
        }
    }
}

template <class T, int D>
__device__ __forceinline__ void decode(
    float* partial, float2* stats, const T* queries, const T* arena, const int* tables, const int* lengths, int chunks,
    int table_stride, int layer, int heads, KvShape shape, int window, float scale) {
    begin_after_previous();
    int row = blockIdx.z;
    int warp = threadIdx.x / WARP;
    VisibleChunks visible(lengths[row], window);
    int first_chunk = blockIdx.x + gridDim.x * warp;
    if (first_chunk >= visible.count) {
        return;
    }
    SLUICE_DYNAMIC_SHARED(shared);
    int group = heads / shape.kv_heads;
    int parts = (group + 15) / 16;
    int kv_head = blockIdx.y / parts;
    int first = blockIdx.y % parts * 16;
    int used = min(group - first, 16);
    i64 first_head = static_cast<i64>(row) * heads + kv_head * group + first;
    int g = threadIdx.x % WARP / 4;
    u32 q[D / 16][4];
    const T* query = queries + (first_head + g) * D;
    load_queries<T, D>(q, g < used ? query : nullptr, g + 8 < used ? query + 8 * D : nullptr);
    SliceRing<T, D> ring;
    ring.stages = reinterpret_cast<T*>(shared) + warp * STAGES * SLICE_KEYS * D;
    ring.arena = arena + shape.head_offset(layer, kv_head);
    ring.table = tables + static_cast<i64>(row) * table_stride;
    ring.shape = shape;
    Rows<D> state;
    float factor = scale * 1.44269504f;
    for (int chunk = first_chunk; chunk < visible.count; chunk += gridDim.x * WARPS) {
        int begin = (visible.first + chunk) * CHUNK_KEYS;
        ring.start(max(begin, visible.first_key), min(begin + CHUNK_KEYS, visible.end_key));
        state.reset();
        for (int tile = ring.first_key / TILE_KEYS * TILE_KEYS; tile < ring.end_key; tile += TILE_KEYS) {
            float scores[TILE_KEYS / 8][4] = {};
#pragma unroll
            for (int j = 0; j < SLICES; j++) {
                const T* keys = ring.take();
                if (ring.visible(tile + j * SLICE_KEYS)) {
#pragma unroll
                    for (int i = 0; i < D / 16; i++) {
                        multiply_keys<T, D, SLICE_KEYS>(scores + j * 2, q[i], keys, i);
                    }
                }
            }
            int from = ring.first_key - tile;
            int to = ring.end_key - tile;
            if (from > 0 || to < TILE_KEYS) {
                mask(scores, {from, from}, {to, to});
            }
            weigh<D>(scores, state, factor);
#pragma unroll
            for (int j = 0; j < SLICES; j++) {
                const T* values = ring.take();
                if (ring.visible(tile + j * SLICE_KEYS)) {
                    add_values<T, D, SLICE_KEYS>(state, scores + j * 2, values);
                }
            }
        }
        state.finish_sums();
        i64 at = first_head * chunks + chunk;
        write_partial<D>(partial + at * D, stats + at, state, used, chunks);
    }
}

template <class T>
__device__ __forceinline__ void reduce(
    T* out, const float* partial, const float2* stats, const int* lengths, int chunks, int dim, int window) {
    begin_after_previous();
    VisibleChunks visible(lengths[blockIdx.y], window);
    if (visible.count == 0) {
        return; // an unused row
    }
    i64 head = static_cast<i64>(blockIdx.y) * gridDim.x + blockIdx.x;
    stats += head * chunks;
    for (int d = threadIdx.x; d < dim; d += blockDim.x) {
        const float* values = partial + head * chunks * dim + d;
        float largest = MINUS_INFINITY;
        float sum = 0;
        float value = 0;
        for (int first = 0; first < visible.count; first += BLENDED_AT_ONCE) {
            float2 stat[BLENDED_AT_ONCE];
            float added[BLENDED_AT_ONCE];
#pragma unroll
            for (int i = 0; i < BLENDED_AT_ONCE; i++) {
                if (first + i < visible.count) {
                    stat[i] = stats[first + i];
                    added[i] = values[static_cast<i64>(first + i) * dim];
                }
            }
#pragma unroll
            for (int i = 0; i < BLENDED_AT_ONCE; i++) {
                if (first + i < visible.count) {
                    Blend blend(largest, stat[i].x);
                    largest = blend.largest;
                    sum = blend(sum, stat[i].y);
                    value = blend(value, added[i]);
                }
            }
        }
        out[head * dim + d] = from_float<T>(value * finish(sum));
    }
}

#define DECODE(name, T, D)                                                                                             \
    SLUICE_KERNEL __launch_bounds__(128) paged_attention_decode_##name##_##D(                                          \
        float* partial, float2* stats, const T* queries, const T* arena, const int* tables, const int* lengths,        \
        int chunks, int table_stride, int layer, int heads, int layers, int kv_heads, int block_size, int window,      \
        float scale) {                                                                                                 \
        decode<T, D>(partial, stats, queries, arena, tables, lengths, chunks, table_stride, layer, heads,              \
                     KvShape{layers, kv_heads, block_size, D}, window, scale);                                         \
    }

#define REDUCE(name, T)                                                                                                \
    SLUICE_KERNEL __launch_bounds__(128) paged_attention_reduce_##name(                                                \
        T* out, const float* partial, const float2* stats, const int* lengths, int chunks, int dim, int window) {      \
        reduce<T>(out, partial, stats, lengths, chunks, dim, window);                                                  \
    }

DECODE(bf16, Bf16, 16)
DECODE(bf16, Bf16, 32)
DECODE(bf16, Bf16, 64)
DECODE(bf16, Bf16, 128)
DECODE(fp16, Fp16, 64)
DECODE(fp16, Fp16, 128)
REDUCE(bf16, Bf16)
REDUCE(fp16, Fp16)
