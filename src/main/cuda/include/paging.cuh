/*
 * Where keys and values lie. The arena is [block][layer][K, then V][kv head][slot][head dim], so that one block with all
 * its layers is one contiguous range: what is copied when a block leaves the device.
 */
#pragma once
#include "types.cuh"

struct KvShape {
    int layers, kv_heads, block_size, head_dim;

    /** Elements of one block: all layers, keys and values. */
    __device__ __forceinline__ i64 block_elements() const {
        return static_cast<i64>(layers) * 2 * kv_heads * block_size * head_dim;
    }

    /** Elements from a key to its value. */
    __device__ __forceinline__ i64 key_to_value() const {
        return static_cast<i64>(kv_heads) * block_size * head_dim;
    }

    /** First element of the keys of a head in block 0 of the arena. */
    __device__ __forceinline__ i64 head_offset(int layer, int head) const {
        return (static_cast<i64>(layer) * 2 * kv_heads + head) * block_size * head_dim;
    }
};
