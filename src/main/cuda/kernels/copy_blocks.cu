/*
 * Whole blocks between the arena and a dense buffer, or within the arena.
 *
 *   gather_blocks:   dense[i] = arena[ids[i]]
 *   scatter_blocks:  arena[ids[i]] = dense[i]
 *   copy_blocks:     arena[targets[i]] = arena[sources[i]]; no target is a source or a target twice
 *
 *   arena  [blocks][block_bytes],  dense [count][block_bytes]: device memory, or pinned host memory mapped to the device
 *   ids    [count] int
 *   block_bytes  a multiple of 16
 *
 * Grid (chunks, count), block 256: the threads of all chunks share a block's bytes, 4 x 16 bytes in flight each. Few chunks
 * (8 to 32) leave the multiprocessors to the model. Reference: executor.cpu.BlockCopies.
 */
#include "types.cuh"

constexpr int IN_FLIGHT = 4;

__device__ __forceinline__ void copy_block(uint4* to, const uint4* from, i64 words) {
    i64 stride = static_cast<i64>(gridDim.x) * blockDim.x;
    i64 first = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
    for (i64 i = first; i < words; i += IN_FLIGHT * stride) {
        uint4 v[IN_FLIGHT];
#pragma unroll
        for (int j = 0; j < IN_FLIGHT; j++) {
            if (i + j * stride < words) {
                v[j] = from[i + j * stride];
            }
        }
#pragma unroll
        for (int j = 0; j < IN_FLIGHT; j++) {
            if (i + j * stride < words) {
                to[i + j * stride] = v[j];
            }
        }
    }
}

SLUICE_KERNEL __launch_bounds__(256) gather_blocks(uint4* dense, const uint4* arena, const int* ids, i64 block_bytes) {
    begin_after_previous();
    i64 words = block_bytes / 16;
    copy_block(dense + blockIdx.y * words, arena + ids[blockIdx.y] * words, words);
}

SLUICE_KERNEL __launch_bounds__(256) scatter_blocks(uint4* arena, const uint4* dense, const int* ids, i64 block_bytes) {
    begin_after_previous();
    i64 words = block_bytes / 16;
    copy_block(arena + ids[blockIdx.y] * words, dense + blockIdx.y * words, words);
}

SLUICE_KERNEL __launch_bounds__(256) copy_blocks(uint4* arena, const int* sources, const int* targets, i64 block_bytes) {
    begin_after_previous();
    i64 words = block_bytes / 16;
    copy_block(arena + targets[blockIdx.y] * words, arena + sources[blockIdx.y] * words, words);
}
