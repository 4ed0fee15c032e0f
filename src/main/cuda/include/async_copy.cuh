/* Copies of 16 bytes from global to shared memory that run beside the arithmetic (cp.async, sm_80 and later). */
#pragma once
#include "types.cuh"

/** Copies 16 bytes, or writes 16 zero bytes if not {@code present}; both addresses are multiples of 16. */
__device__ __forceinline__ void copy_async_16(void* shared, const void* global, bool present) {
#ifdef SLUICE_EMULATED
    emulated::copyAsync(shared, global, present ? 16 : 0, 16);
#else
    u32 to = static_cast<u32>(__cvta_generic_to_shared(shared));
    int bytes = present ? 16 : 0;
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
#endif
}

/** Closes a group: what this thread has issued since the last one. */
__device__ __forceinline__ void commit_copies() {
#ifdef SLUICE_EMULATED
    emulated::commitCopies();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/** Waits until at most {@code pending} groups of this thread are under way; others see the bytes after a barrier. */
template <int pending>
__device__ __forceinline__ void wait_for_copies() {
#ifdef SLUICE_EMULATED
    emulated::waitForCopies(pending);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#endif
}

/** Brings bytes to the cache of the whole device, if that is possible; nothing waits for them. Address and size: multiples of 16. */
__device__ __forceinline__ void prefetch(const void* global, u32 bytes) {
#ifdef SLUICE_EMULATED
    emulated::checkAligned(global, __LINE__);
#elif __CUDA_ARCH__ >= 900
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(global), "r"(bytes) : "memory");
#endif
}
