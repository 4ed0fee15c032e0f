/*
 * Boxes of a matrix that the copy engine brings to shared memory, and the flags that tell of their arrival (TMA and mbarrier,
 * sm_90 and later). A flag has phases: a phase ends when all expected threads have arrived and all expected bytes are there.
 * Blocks of a cluster run at the same time, bring boxes to each other's shared memory and arrive at each other's flags: from
 * when all have set their flags up until the last has done its last, which meet_cluster makes sure of.
 */
#pragma once
#include "types.cuh"

/** A row-major matrix as the copy engine knows it; written by the driver's cuTensorMapEncodeTiled, never read by us. */
struct alignas(64) TensorMap {
    u64 words[16];
};

__device__ __forceinline__ u32 shared_address(const void* shared) {
#ifdef SLUICE_EMULATED
    return emulated::sharedAddress(shared);
#else
    return static_cast<u32>(__cvta_generic_to_shared(shared));
#endif
}

/** By one thread, before a barrier and flags_are_ready. */
__device__ __forceinline__ void init_flag(u64* flag, u32 arrivals) {
#ifdef SLUICE_EMULATED
    emulated::initFlag(flag, arrivals);
#else
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(flag)), "r"(arrivals) : "memory");
#endif
}

/** Lets the copy engine see flags that this thread has initialised; others see them after a barrier. */
__device__ __forceinline__ void flags_are_ready() {
#ifndef SLUICE_EMULATED
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}

/** Lets the tensor cores see what this thread has written to shared memory; before it arrives at a flag or a barrier. */
__device__ __forceinline__ void show_written() {
#ifndef SLUICE_EMULATED
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}

__device__ __forceinline__ void arrive(u64* flag) {
#ifdef SLUICE_EMULATED
    emulated::arrive(flag);
#else
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(flag)) : "memory");
#endif
}

/** Arrives, and announces so many bytes of this phase. */
__device__ __forceinline__ void arrive_and_expect(u64* flag, u32 bytes) {
#ifdef SLUICE_EMULATED
    emulated::expect(flag, bytes);
    emulated::arrive(flag);
#else
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(flag)), "r"(bytes)
                 : "memory");
#endif
}

/** Which block of its cluster this is. */
__device__ __forceinline__ int cluster_rank() {
#ifdef SLUICE_EMULATED
    return emulated::clusterRank();
#else
    u32 rank;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return static_cast<int>(rank);
#endif
}

/** Waits for all threads of all blocks of the cluster, and for what they have done to shared memory. */
__device__ __forceinline__ void meet_cluster() {
#ifdef SLUICE_EMULATED
    emulated::meetCluster(__LINE__);
#else
    __syncwarp(); // lanes come from different branches
    asm volatile("barrier.cluster.arrive.release.aligned;\n"
                 "barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

/**
 * As arrive, at the flag of this place in a block of the cluster. What this thread has written need not be seen there: a
 * release for the cluster would be a fence for the whole device, in every stage.
 */
__device__ __forceinline__ void arrive_at(u64* flag, int block) {
#ifdef SLUICE_EMULATED
    emulated::arriveAt(flag, block);
#else
    asm volatile(
        "{\n"
        ".reg .b32 there;\n"
        "mapa.shared::cluster.u32 there, %0, %1;\n"
        "mbarrier.arrive.shared::cluster.b64 _, [there];\n"
        "}" ::"r"(shared_address(flag)),
        "r"(block)
        : "memory");
#endif
}

/** Waits for the end of a phase, by its parity: the first phase has 0. The phase before the first counts as ended. */
__device__ __forceinline__ void wait_for_phase(u64* flag, u32 parity) {
#ifdef SLUICE_EMULATED
    emulated::waitForPhase(flag, parity, __LINE__);
#else
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@!done bra again;\n"
        "}" ::"r"(shared_address(flag)),
        "r"(parity)
        : "memory");
#endif
}

/** Begins to fetch a map, a kernel's argument, so that the first copy does not wait for it; by one thread. */
__device__ __forceinline__ void prefetch_map(const TensorMap& map) {
#ifndef SLUICE_EMULATED
    asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
#endif
}

/**
 * Begins to copy the map's box from this element of this row on; what lies outside of the matrix becomes zero, and counts.
 * Rows of a box are 128 bytes; their 16-byte pieces are swizzled (piece ^ row % 8).
 *
 * @param to a multiple of 1024 bytes, or of 128 times the rows before it in the same tile
 */
__device__ __forceinline__ void load_box(void* to, const TensorMap& map, int element, int row, u64* flag) {
#ifdef SLUICE_EMULATED
    emulated::loadBox(to, map.words, element, row, flag);
#else
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                 ::"r"(shared_address(to)), "l"(&map), "r"(element), "r"(row), "r"(shared_address(flag))
                 : "memory");
#endif
}

/** As load_box, to this place of several blocks of the cluster; in each the flag of this place tells of it. */
__device__ __forceinline__ void load_box_for(
    u32 blocks, void* to, const TensorMap& map, int element, int row, u64* flag) {
#ifdef SLUICE_EMULATED
    emulated::loadBox(to, map.words, element, row, flag, blocks);
#else
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster"
        " [%0], [%1, {%2, %3}], [%4], %5;"
        ::"r"(shared_address(to)), "l"(&map), "r"(element), "r"(row), "r"(shared_address(flag)),
        "h"(static_cast<u16>(blocks))
        : "memory");
#endif
}
