/*
 * From the joint projection to rotated queries and to keys and values in the cache, in one pass.
 *
 * For each row and head: x = qkv + bias; queries and keys: x = rms_norm(x) * norm (Qwen3, if given), then the pairs
 * (i, i + half) turn by the angle position * inverse_frequency[i]:
 *   x'[i] = x[i] * cos - x[i + half] * sin,   x'[i + half] = x[i + half] * cos + x[i] * sin.
 * Keys and values go to slot slots[r] of the arena (paging.cuh), queries to a dense matrix. Not scaled here: attention does.
 *
 *   queries            [rows, heads * head_dim]                   T
 *   arena              [block][layer][K, V][kv head][slot][dim]   T
 *   qkv                [rows, (heads + 2 * kv_heads) * head_dim]  T: queries, keys, values
 *   bias               [(heads + 2 * kv_heads) * head_dim]        T, or null
 *   query_norm         [head_dim]  T, or null;  key_norm likewise
 *   inverse_frequency  [head_dim / 2]  float
 *   positions          [rows]  int, at most 2^20
 *   slots              [rows]  int: block * block_size + offset; negative: keys and values of the row are not kept
 *   head_dim           even, at most 256
 *
 * One warp per head. Grid (rows, ceil((heads + 2 * kv_heads) / 4)), block 128.
 * Reference: executor.cpu.RowOps.rotate, RowOps.normalize, RotaryAngles.
 */
#include "paging.cuh"
#include "reduce.cuh"

constexpr int PAIRS = 4; // pairs of elements a lane keeps, so head dims up to 256

struct Rotation {
    float cosine, sine;
};

/**
 * The angle as an unevaluated sum of two floats, reduced by whole turns, so that the fast functions see at most pi: their
 * absolute error there is below 1e-6, and a plain fp32 product would be wrong by 0.004 at position 100,000.
 */
__device__ __forceinline__ Rotation rotation(int position, float frequency) {
    float p = static_cast<float>(position);
    float angle = p * frequency;
    float rest = fmaf(p, frequency, -angle);
    float turns = rintf(angle * 0.15915494f);
    float reduced = fmaf(-turns, 6.2831855f, angle); // exact but for one rounding
    reduced = fmaf(-turns, -1.7484556e-7f, reduced) + rest;
    return {__cosf(reduced), __sinf(reduced)};
}

template <class T>
__device__ __forceinline__ void rope_and_cache(
    T* queries, T* arena, const T* qkv, const T* bias, const T* query_norm, const T* key_norm,
    const float* inverse_frequency, const int* positions, const int* slots, int layer, int heads, KvShape shape, float eps) {
    begin_after_previous();
    int lane = threadIdx.x % WARP;
    int head = blockIdx.y * (blockDim.x / WARP) + threadIdx.x / WARP;
    int all = heads + 2 * shape.kv_heads;
    if (head >= all) {
        return; // a whole warp: nothing below meets the block
    }
    i64 row = blockIdx.x;
    int dim = shape.head_dim;
    int half = dim / 2;
    bool is_query = head < heads;
    bool is_value = head >= heads + shape.kv_heads;
    const T* from = qkv + (row * all + head) * dim;
    float low[PAIRS];
    float high[PAIRS];
    float squares = 0;
#pragma unroll
    for (int j = 0; j < PAIRS; j++) {
        int i = lane + j * WARP;
        bool mine = i < half;
        low[j] = mine ? to_float(from[i]) : 0;
        high[j] = mine ? to_float(from[i + half]) : 0;
        if (mine && bias != nullptr) {
            low[j] += to_float(bias[head * dim + i]);
            high[j] += to_float(bias[head * dim + i + half]);
        }
        squares += low[j] * low[j] + high[j] * high[j];
    }
    const T* norm = is_query ? query_norm : is_value ? nullptr : key_norm;
    float scale = norm == nullptr ? 1 : rsqrtf(warp_sum(squares) / dim + eps); // the same decision in the whole warp
    T* to = queries + (row * heads + head) * dim;
    if (!is_query) {
        int slot = slots[row];
        if (slot < 0) {
            return;
        }
        int kv_head = head - heads - (is_value ? shape.kv_heads : 0);
        to = arena + slot / shape.block_size * shape.block_elements() + shape.head_offset(layer, kv_head)
            + (is_value ? shape.key_to_value() : 0) + slot % shape.block_size * dim;
    }
#pragma unroll
    for (int j = 0; j < PAIRS; j++) {
        int i = lane + j * WARP;
        if (i < half) {
            float a = low[j] * scale;
            float b = high[j] * scale;
            if (norm != nullptr) {
                a *= to_float(norm[i]);
                b *= to_float(norm[i + half]);
            }
            Rotation r = {1, 0};
            if (!is_value) {
                r = rotation(positions[row], inverse_frequency[i]);
            }
            to[i] = from_float<T>(a * r.cosine - b * r.sine);
            to[i + half] = from_float<T>(b * r.cosine + a * r.sine);
        }
    }
}

#define ROPE_AND_CACHE(name, T)                                                                                        \
    SLUICE_KERNEL __launch_bounds__(128) rope_and_cache_##name(                                                        \
        T* queries, T* arena, const T* qkv, const T* bias, const T* query_norm, const T* key_norm,                     \
        const float* inverse_frequency, const int* positions, const int* slots, int layer, int heads, int layers,      \
        int kv_heads, int block_size, int head_dim, float eps) {                                                       \
        KvShape shape{layers, kv_heads, block_size, head_dim};                                                         \
        rope_and_cache<T>(queries, arena, qkv, bias, query_norm, key_norm, inverse_frequency, positions, slots, layer, \
                          heads, shape, eps);                                                                          \
    }

ROPE_AND_CACHE(bf16, Bf16)
ROPE_AND_CACHE(fp16, Fp16)
