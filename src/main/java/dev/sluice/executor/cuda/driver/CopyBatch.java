package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** Many copies between device and pinned memory, given to a stream with one call; neighbours become one copy. */
public final class CopyBatch {

    private static final int IN_ORDER_OF_THE_STREAM = 1; // when the sources are read
    private static final int ATTRIBUTE_BYTES = 24; // order of access, two hints of location, flags

    private long[] targets = new long[16];
    private long[] sources = new long[16];
    private long[] sizes = new long[16];
    private int count;

    /** Adds a copy; both addresses as the device sees them, which for pinned memory is as the host does. */
    public void add(long target, long source, long bytes) {
        int last = count - 1;
        if (last >= 0 && target == targets[last] + sizes[last] && source == sources[last] + sizes[last]) {
            sizes[last] += bytes;
            return;
        }
        if (count == targets.length) {
            targets = java.util.Arrays.copyOf(targets, 2 * count);
            sources = java.util.Arrays.copyOf(sources, 2 * count);
            sizes = java.util.Arrays.copyOf(sizes, 2 * count);
        }
        targets[count] = target;
        sources[count] = source;
        sizes[count++] = bytes;
    }

    /** Begins all copies and forgets them. */
    public void give(CudaStream stream) {
        MemoryCalls calls = stream.context().memoryCalls();
        try {
            MethodHandle batch = calls.copyBatch();
            if (batch != null && count > 1) {
                giveAtOnce(batch, stream);
            } else {
                for (int i = 0; i < count; i++) {
                    int code = (int) calls.copy().invokeExact(targets[i], sources[i], sizes[i], stream.handle());
                    stream.context().check(code, "cuMemcpyAsync");
                }
            }
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        } finally {
            count = 0;
        }
    }

    private void giveAtOnce(MethodHandle batch, CudaStream stream) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment attribute = arena.allocate(ATTRIBUTE_BYTES, JAVA_LONG.byteAlignment());
            attribute.set(JAVA_INT, 0, IN_ORDER_OF_THE_STREAM);
            MemorySegment first = arena.allocate(JAVA_LONG); // the attribute holds from copy 0 on
            int code = (int) batch.invokeExact(
                    longs(arena, targets),
                    longs(arena, sources),
                    longs(arena, sizes),
                    (long) count,
                    attribute,
                    first,
                    1L,
                    stream.handle());
            stream.context().check(code, "cuMemcpyBatchAsync");
        }
    }

    private MemorySegment longs(Arena arena, long[] values) {
        MemorySegment copy = arena.allocate(JAVA_LONG, count);
        MemorySegment.copy(values, 0, copy, JAVA_LONG, 0, count);
        return copy;
    }
}
