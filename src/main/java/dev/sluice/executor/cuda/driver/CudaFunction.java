package dev.sluice.executor.cuda.driver;

import java.lang.foreign.MemorySegment;

/**
 * A kernel; lives as long as its module.
 *
 * @param sharedBytes dynamic shared memory of each block
 * @param waits it may begin before the kernel before it has ended, because its code waits by itself
 */
public record CudaFunction(String name, MemorySegment handle, int sharedBytes, boolean waits) {}
