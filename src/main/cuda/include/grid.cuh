/*
 * A kernel may begin while the one before it in the stream still runs (programmatic dependent launch, sm_90 and later; the
 * host launches all of them so). What it does before wait_for_previous must not depend on any other kernel, and must not
 * be seen by one: weights may be read, registers and shared memory filled. Every thread of every kernel waits.
 *
 * __ldg promises that nobody writes while the kernel lives, which is now true only of weights and of what was uploaded.
 */
#pragma once

#ifdef SLUICE_EMULATED
#define SLUICE_OVERLAPS 0
#elif __CUDA_ARCH__ >= 900
#define SLUICE_OVERLAPS 1
#else
#define SLUICE_OVERLAPS 0
#endif

/** Lets the next kernel begin once all blocks of this one have come so far; it waits by itself for what it needs. */
__device__ __forceinline__ void let_next_begin() {
#if SLUICE_OVERLAPS
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/** Waits until all kernels before have ended and their results can be read. */
__device__ __forceinline__ void wait_for_previous() {
#ifdef SLUICE_EMULATED
    emulated::waitForPrevious();
#elif SLUICE_OVERLAPS
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/** The first statement of a kernel that has nothing to do before. */
__device__ __forceinline__ void begin_after_previous() {
    let_next_begin();
    wait_for_previous();
}
