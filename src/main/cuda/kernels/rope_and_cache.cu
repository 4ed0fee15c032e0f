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
 *   positions          [rows]  int, at most 2^20; uploaded by the host, like the slots
 *   slots              [rows]  int: block * block_size + offset; negative: keys and values of the row are not kept
 *   head_dim           16, 32, 64, 128 or 256
 *
 * head_dim / 8 lanes a head, four pairs each, in words of 8 bytes: a load of a warp is 256 bytes, and a single row still has
 * enough threads. Grid (rows, ceil((heads + 2 * kv_heads) * head_dim / 1024)), block 128.
 * Reference: executor.cpu.RowOps.rotate, RowOps.normalize, RotaryAngles.
 */
#include "paging.cuh"
#include "reduce.cuh"

constexpr int PAIRS = 4; // of a lane, neighbours

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

/** What a lane has of a head: its pairs' first elements, and their second ones. */
struct Words {
    uint2 low, high;

    template <class T>
    __device__ __forceinline__ void load(const T* head, int at, int half) {
        low = *reinterpret_cast<const uint2*>(head + at);
        high = *reinterpret_cast<const uint2*>(head + at + half);
    }
};

template <class T>
__device__ __forceinline__ void unpack4(uint2 words, float (&values)[PAIRS]) {
    float2 first = unpack<T>(words.x);
    float2 second = unpack<T>(words.y);
    values[0] = first.x;
    values[1] = first.y;
    values[2] = second.x;
    values[3] = second.y;
}

template <class T>
__device__ __forceinline__ void store4(T* to, const float (&values)[PAIRS]) {
    *reinterpret_cast<uint2*>(to) = make_uint2(pack<T>(values[0], values[1]), pack<T>(values[2], values[3]));
}

template <class T>
__device__ __forceinline__ void add4(float (&values)[PAIRS], uint2 words) {
    float others[PAIRS];
    unpack4<T>(words, others);
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        values[i] += others[i];
    }
}

template <class T>
__device__ __forceinline__ void multiply4(float (&values)[PAIRS], float scale, uint2 words) {
    float others[PAIRS];
    unpack4<T>(words, others);
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        values[i] = values[i] * scale * others[i];
    }
}

/**
 * The sum of the squares of a head, in every lane of it. Pairs that are 32 apart are added first, in ascending order, then
 * halves of what is left: pairs 16, 8, 4, 2 and 1 apart.
 */
__device__ __forceinline__ float sum_of_squares(const float (&low)[PAIRS], const float (&high)[PAIRS], int lanes) {
    constexpr int APART = WARP / PAIRS; // lanes whose pairs are 32 apart
    int lane = threadIdx.x % WARP;
    int first = lane / lanes * lanes + lane % APART;
    float sums[PAIRS];
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        float square = __fmaf_rn(low[i], low[i], __fmul_rn(high[i], high[i]));
        sums[i] = square;
        if (lanes > APART) { // the same in the whole block
            sums[i] = 0;
            for (int j = 0; j < lanes; j += APART) {
                sums[i] += __shfl_sync(ALL_LANES, square, first + j);
            }
        }
        for (int by = min(lanes, APART) / 2; by > 0; by /= 2) {
            sums[i] += __shfl_xor_sync(ALL_LANES, sums[i], by);
        }
    }
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

template <class T>
__device__ __forceinline__ void rope_and_cache(
    T* queries, T* arena, const T* qkv, const T* bias, const T* query_norm, const T* key_norm,
    const float* inverse_frequency, const int* positions, const int* slots, int layer, int heads, KvShape shape, float eps) {
    let_next_begin();
    int dim = shape.head_dim;
    int half = dim / 2;
    int lanes = half / PAIRS; // of a head
    int head = (blockIdx.y * blockDim.x + threadIdx.x) / lanes;
    int all = heads + 2 * shape.kv_heads;
    bool present = head < all;
    head = min(head, all - 1); // those behind the last stay, for the sums of their warp
    int at = threadIdx.x % lanes * PAIRS;
    i64 row = blockIdx.x;
    bool is_query = head < heads;
    bool is_value = head >= heads + shape.kv_heads;
    // All but the heads are weights and numbers from the host: on their way while the kernel before still runs.
    int position = __ldg(positions + row);
    int slot = __ldg(slots + row);
    float4 frequency = *reinterpret_cast<const float4*>(inverse_frequency + at);
    const T* norm = is_query ? query_norm : is_value ? nullptr : key_norm;
    Words biases, norms, words;
    if (bias != nullptr) {
        biases.load(bias + head * dim, at, half);
    }
    if (norm != nullptr) {
        norms.load(norm, at, half);
    }
    wait_for_previous();
    words.load(qkv + (row * all + head) * dim, at, half);
    float low[PAIRS];
    float high[PAIRS];
    unpack4<T>(words.low, low);
    unpack4<T>(words.high, high);
    if (bias != nullptr) {
        add4<T>(low, biases.low);
        add4<T>(high, biases.high);
    }
    if (query_norm != nullptr || key_norm != nullptr) { // the same in the whole block
        float scale = rsqrtf(sum_of_squares(low, high, lanes) / dim + eps);
        if (norm != nullptr) {
            multiply4<T>(low, scale, norms.low);
            multiply4<T>(high, scale, norms.high);
        }
    }
    if (!is_value) {
        float frequencies[PAIRS] = {frequency.x, frequency.y, frequency.z, frequency.w};
#pragma unroll
        for (int i = 0; i < PAIRS; i++) {
            Rotation r = rotation(position, frequencies[i]);
            float a = low[i];
            float b = high[i];
            low[i] = __fmaf_rn(a, r.cosine, -__fmul_rn(b, r.sine));
            high[i] = __fmaf_rn(b, r.cosine, __fmul_rn(a, r.sine));
        }
    }
    T* to = queries + (row * heads + head) * dim;
    if (!is_query) {
        present = present && slot >= 0;
        int kv_head = head - heads - (is_value ? shape.kv_heads : 0);
        to = arena + slot / shape.block_size * shape.block_elements() + shape.head_offset(layer, kv_head)
            + (is_value ? shape.key_to_value() : 0) + slot % shape.block_size * dim;
    }
    if (present) {
        store4(to + at, low);
        store4(to + at + half, high);
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
