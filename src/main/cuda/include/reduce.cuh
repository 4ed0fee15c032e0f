/* Sums and maxima over a warp and over a block, in an order that depends on the number of threads alone. */
#pragma once
#include "types.cuh"

__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
    for (int by = WARP / 2; by > 0; by /= 2) {
        v += __shfl_xor_sync(ALL_LANES, v, by);
    }
    return v; // the same bits in every lane: each step adds the same two numbers on both sides
}

__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
    for (int by = WARP / 2; by > 0; by /= 2) {
        v = fmaxf(v, __shfl_xor_sync(ALL_LANES, v, by));
    }
    return v;
}

/**
 * The sum over the block, in every thread. The block is one-dimensional, a multiple of 32 and at most 1024 threads.
 * All threads must call it; it may be called again at once.
 */
__device__ __forceinline__ float block_sum(float v) {
    __shared__ float parts[WARP];
    v = warp_sum(v);
    if (threadIdx.x % WARP == 0) {
        parts[threadIdx.x / WARP] = v;
    }
    __syncthreads();
    u32 warps = blockDim.x / WARP;
    v = threadIdx.x % WARP < warps ? parts[threadIdx.x % WARP] : 0;
    v = warp_sum(v);
    __syncthreads(); // the parts are free again
    return v;
}

/** The largest over the block, in every thread; as block_sum. */
__device__ __forceinline__ u64 block_max(u64 v) {
    __shared__ u64 parts[WARP];
#pragma unroll
    for (int by = WARP / 2; by > 0; by /= 2) {
        v = max(v, __shfl_xor_sync(ALL_LANES, v, by));
    }
    if (threadIdx.x % WARP == 0) {
        parts[threadIdx.x / WARP] = v;
    }
    __syncthreads();
    u32 warps = blockDim.x / WARP;
    v = threadIdx.x % WARP < warps ? parts[threadIdx.x % WARP] : 0;
#pragma unroll
    for (int by = WARP / 2; by > 0; by /= 2) {
        v = max(v, __shfl_xor_sync(ALL_LANES, v, by));
    }
    __syncthreads();
    return v;
}

/** The sum of integers over the block, in every thread; as block_sum. */
__device__ __forceinline__ u64 block_count(u64 v) {
    __shared__ u64 total;
#pragma unroll
    for (int by = WARP / 2; by > 0; by /= 2) {
        v += __shfl_xor_sync(ALL_LANES, v, by);
    }
    if (threadIdx.x == 0) {
        total = 0;
    }
    __syncthreads();
    if (threadIdx.x % WARP == 0) {
        atomicAdd(&total, v); // integers: the order does not matter
    }
    __syncthreads();
    v = total;
    __syncthreads();
    return v;
}
