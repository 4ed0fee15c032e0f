package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Launches kernels so that they may begin while the one before them in the stream still runs (programmatic dependent launch):
 * between two small kernels most of the time would else go to waiting. Kernels wait by themselves, as grid.cuh says.
 *
 * <p>Owns the driver's CUlaunchConfig, written again for each launch:
 * <pre>
 *   0  grid x, y, z, block x, y, z, shared bytes   7 ints
 *   32 stream   40 attributes   48 their number
 * </pre>
 * and its one CUlaunchAttribute: 0 which, 8 value.
 */
final class EarlyLaunch {

    private static final int CONFIG_BYTES = 56;
    private static final int ATTRIBUTE_BYTES = 72;
    private static final int PROGRAMMATIC_STREAM_SERIALIZATION = 6;

    private final MethodHandle call;
    private final MemorySegment config;

    EarlyLaunch(MethodHandle call, MemorySegment stream) {
        this.call = call;
        Arena arena = Arena.ofAuto();
        MemorySegment attribute = arena.allocate(ATTRIBUTE_BYTES, Long.BYTES);
        attribute.set(JAVA_INT, 0, PROGRAMMATIC_STREAM_SERIALIZATION);
        attribute.set(JAVA_INT, 8, 1);
        config = arena.allocate(CONFIG_BYTES, Long.BYTES);
        config.set(JAVA_INT, 16, 1);
        config.set(JAVA_INT, 20, 1);
        config.set(ADDRESS, 32, stream);
        config.set(ADDRESS, 40, attribute);
        config.set(JAVA_INT, 48, 1);
    }

    int launch(CudaFunction function, int gridX, int gridY, int gridZ, int threads, KernelArguments arguments)
            throws Throwable {
        config.set(JAVA_INT, 0, gridX);
        config.set(JAVA_INT, 4, gridY);
        config.set(JAVA_INT, 8, gridZ);
        config.set(JAVA_INT, 12, threads);
        config.set(JAVA_INT, 24, function.sharedBytes());
        return (int) call.invokeExact(config, function.handle(), arguments.pointers(), MemorySegment.NULL);
    }
}
