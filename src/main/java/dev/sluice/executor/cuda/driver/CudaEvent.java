package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A moment in the work of a stream, which the host and other streams can wait for. */
public final class CudaEvent extends CudaHandle {

    private static final int WITHOUT_TIME = 2;
    private static final int WITH_TIME = 0;

    private final MemorySegment handle;

    private CudaEvent(CudaContext context, MemorySegment handle) {
        super(context);
        this.handle = handle;
    }

    /** @param timed true if {@link #millisSince} is to be asked; costs a little */
    public static CudaEvent create(CudaContext context, boolean timed) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            int flags = timed ? WITH_TIME : WITHOUT_TIME;
            context.check((int) context.streamCalls().createEvent().invokeExact(out, flags), "cuEventCreate");
            return new CudaEvent(context, out.get(ADDRESS, 0));
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    MemorySegment handle() {
        requireOpen();
        return handle;
    }

    /** True if the work before it is done, or if it was never recorded. */
    public boolean isDone() {
        try {
            int code = (int) context().streamCalls().queryEvent().invokeExact(handle());
            if (code == CudaErrors.NOT_READY) {
                return false;
            }
            context().check(code, "cuEventQuery");
            return true;
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Lets the calling thread wait. */
    public void synchronize() {
        try {
            context()
                    .check(
                            (int) context().streamCalls().synchronizeEvent().invokeExact(handle()),
                            "cuEventSynchronize");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Milliseconds of the device between two timed events that are done. */
    public float millisSince(CudaEvent start) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_FLOAT);
            context()
                    .check(
                            (int) context().streamCalls().elapsed().invokeExact(out, start.handle(), handle()),
                            "cuEventElapsedTime");
            return out.get(JAVA_FLOAT, 0);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    @Override
    void destroy() {
        try {
            context().check((int) context().streamCalls().destroyEvent().invokeExact(handle), "cuEventDestroy");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
