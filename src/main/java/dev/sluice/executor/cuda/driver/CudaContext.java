package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;

/**
 * A device in use: everything else is made by its context and ends before it. The primary context of the device is
 * taken, so that other libraries in the process share it.
 *
 * <p>A thread must {@link #makeCurrent} before its first call; calls of several threads must not overlap.
 */
public final class CudaContext implements AutoCloseable {

    public final CudaDriver driver;
    private final CudaDevice device;
    private final MethodHandle setCurrent;
    private final MethodHandle memoryInfo;
    private final MethodHandle synchronize;
    private final MethodHandle release;
    private final MemorySegment handle;
    private final StreamCalls streamCalls;
    private final MemoryCalls memoryCalls;
    private final ModuleCalls moduleCalls;
    private final SequencedSet<CudaHandle> handles = new LinkedHashSet<>();
    private boolean closed;

    public CudaContext(CudaDriver driver, CudaDevice device) {
        this.driver = driver;
        this.device = device;
        NativeLibrary library = driver.library;
        setCurrent = library.function("cuCtxSetCurrent", ADDRESS);
        memoryInfo = library.function("cuMemGetInfo_v2", ADDRESS, ADDRESS);
        synchronize = library.function("cuCtxSynchronize");
        release = library.function("cuDevicePrimaryCtxRelease_v2", JAVA_INT);
        streamCalls = StreamCalls.of(library);
        memoryCalls = MemoryCalls.of(library);
        moduleCalls = ModuleCalls.of(library);
        MethodHandle retain = library.function("cuDevicePrimaryCtxRetain", ADDRESS, JAVA_INT);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            driver.errors.check((int) retain.invokeExact(out, device.handle()), "cuDevicePrimaryCtxRetain");
            handle = out.get(ADDRESS, 0);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
        makeCurrent();
    }

    public CudaDevice device() {
        return device;
    }

    StreamCalls streamCalls() {
        return streamCalls;
    }

    MemoryCalls memoryCalls() {
        return memoryCalls;
    }

    ModuleCalls moduleCalls() {
        return moduleCalls;
    }

    void check(int code, String operation) {
        driver.errors.check(code, operation);
    }

    /** Makes this the context of the calling thread. */
    public void makeCurrent() {
        try {
            check((int) setCurrent.invokeExact(handle), "cuCtxSetCurrent");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Bytes of device memory that nobody uses. */
    public long freeBytes() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment free = arena.allocate(JAVA_LONG);
            MemorySegment total = arena.allocate(JAVA_LONG);
            check((int) memoryInfo.invokeExact(free, total), "cuMemGetInfo");
            return free.get(JAVA_LONG, 0);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Waits for everything that was begun. */
    public void synchronize() {
        try {
            check((int) synchronize.invokeExact(), "cuCtxSynchronize");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    void adopt(CudaHandle newHandle) {
        if (closed) {
            throw new IllegalStateException("the context is closed");
        }
        handles.add(newHandle);
    }

    void disown(CudaHandle oldHandle) {
        handles.remove(oldHandle);
    }

    /** Gives back what was made here, the last first, and then the device; goes on whatever fails. */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        RuntimeException first = null;
        for (CudaHandle left : List.copyOf(handles.reversed())) {
            try {
                left.close();
            } catch (RuntimeException e) {
                first = first == null ? e : first;
            }
        }
        closed = true;
        try {
            check((int) release.invokeExact(device.handle()), "cuDevicePrimaryCtxRelease");
        } catch (Throwable e) {
            throw first == null ? CudaErrors.unexpected(e) : first;
        }
        if (first != null) {
            throw first;
        }
    }
}
