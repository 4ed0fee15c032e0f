package dev.sluice.executor.cuda;

import java.lang.foreign.MemorySegment;

/**
 * A kernel; lives as long as its module.
 *
 * @param sharedBytes dynamic shared memory of each block
 */
record CudaFunction(String name, MemorySegment handle, int sharedBytes) {}
