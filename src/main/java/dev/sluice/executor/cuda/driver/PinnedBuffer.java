package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory of the host that the device can read and write by itself, because it cannot be paged out. */
public final class PinnedBuffer extends CudaHandle {

    private static final int PORTABLE = 1; // for every context of the process

    private final MemorySegment memory;

    private PinnedBuffer(CudaContext context, MemorySegment memory) {
        super(context);
        this.memory = memory;
    }

    @SuppressWarnings("restricted") // this is where native code begins
    public static PinnedBuffer allocate(CudaContext context, long bytes) {
        if (bytes < 1) {
            throw new IllegalArgumentException("a pinned buffer needs at least one byte, not " + bytes);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            context.check(
                    (int) context.memoryCalls().allocateHost().invokeExact(out, bytes, PORTABLE), "cuMemHostAlloc");
            return new PinnedBuffer(context, out.get(ADDRESS, 0).reinterpret(bytes));
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Must not be touched after {@link #close}. */
    public MemorySegment memory() {
        requireOpen();
        return memory;
    }

    @Override
    void destroy() {
        try {
            context().check((int) context().memoryCalls().freeHost().invokeExact(memory), "cuMemFreeHost");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
