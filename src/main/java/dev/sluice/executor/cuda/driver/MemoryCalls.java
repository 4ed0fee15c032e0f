package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/** The driver's functions for memory; a device address is a {@code long}, and so is a pinned one for {@code copy}. */
record MemoryCalls(
        MethodHandle allocate,
        MethodHandle free,
        MethodHandle allocateHost,
        MethodHandle freeHost,
        MethodHandle toDevice,
        MethodHandle toHost,
        MethodHandle onDevice,
        MethodHandle copy,
        @Nullable MethodHandle copyBatch,
        MethodHandle fill,
        @Nullable MethodHandle encodeMap) {

    static MemoryCalls of(NativeLibrary library) {
        return new MemoryCalls(
                library.function("cuMemAlloc_v2", ADDRESS, JAVA_LONG),
                library.function("cuMemFree_v2", JAVA_LONG),
                library.function("cuMemHostAlloc", ADDRESS, JAVA_LONG, JAVA_INT),
                library.function("cuMemFreeHost", ADDRESS),
                library.function("cuMemcpyHtoDAsync_v2", JAVA_LONG, ADDRESS, JAVA_LONG, ADDRESS),
                library.function("cuMemcpyDtoHAsync_v2", ADDRESS, JAVA_LONG, JAVA_LONG, ADDRESS),
                library.function("cuMemcpyDtoDAsync_v2", JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS),
                library.function("cuMemcpyAsync", JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS),
                library.find( // since CUDA 13.0
                        "cuMemcpyBatchAsync_v2",
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        JAVA_LONG,
                        ADDRESS,
                        ADDRESS,
                        JAVA_LONG,
                        ADDRESS),
                library.function("cuMemsetD8Async", JAVA_LONG, JAVA_BYTE, JAVA_LONG, ADDRESS),
                library.find( // since CUDA 12.0
                        "cuTensorMapEncodeTiled",
                        ADDRESS,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_LONG,
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT,
                        JAVA_INT));
    }
}
