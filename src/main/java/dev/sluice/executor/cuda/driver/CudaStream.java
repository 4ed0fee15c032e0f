package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/**
 * A queue of work for the device: what is given to it is done in order, beside other streams. Nothing here waits but
 * {@link #synchronize}.
 */
public final class CudaStream extends CudaHandle {

    private static final int NON_BLOCKING = 1; // independent of the default stream
    private static final int CAPTURE_THREAD_LOCAL = 1; // other threads may go on calling

    private final MemorySegment handle;
    private final @Nullable EarlyLaunch early;

    private CudaStream(CudaContext context, MemorySegment handle) {
        super(context);
        this.handle = handle;
        MethodHandle call = context.streamCalls().launchEarly();
        early = call == null ? null : new EarlyLaunch(call, handle);
    }

    /** @param priority smaller is sooner; 0 is the least */
    public static CudaStream create(CudaContext context, int priority) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            context.check(
                    (int) context.streamCalls().create().invokeExact(out, NON_BLOCKING, priority),
                    "cuStreamCreateWithPriority");
            return new CudaStream(context, out.get(ADDRESS, 0));
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    public MemorySegment handle() {
        requireOpen();
        return handle;
    }

    /**
     * Begins a kernel; on newer devices while the one before still runs, for which grid.cuh has the rules.
     *
     * @param gridX blocks along x; likewise y and z
     * @param threads of each block
     */
    public void launch(CudaFunction function, int gridX, int gridY, int gridZ, int threads, KernelArguments arguments) {
        try {
            if (early != null && function.waits()) {
                check(
                        early.launch(function, gridX, gridY, gridZ, threads, arguments),
                        "the launch of " + function.name());
                return;
            }
            check(
                    (int) context()
                            .streamCalls()
                            .launch()
                            .invokeExact(
                                    function.handle(),
                                    gridX,
                                    gridY,
                                    gridZ,
                                    threads,
                                    1,
                                    1,
                                    function.sharedBytes(),
                                    handle(),
                                    arguments.pointers(),
                                    MemorySegment.NULL),
                    "the launch of " + function.name());
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /**
     * Copies to the device; returns at once if the source is pinned, so the source must stay as it is until it is done.
     *
     * @param target address on the device, with room for all of the source: {@link DeviceBuffer#address(long, long)}
     */
    public void toDevice(MemorySegment source, long target) {
        try {
            check(
                    (int) context().memoryCalls().toDevice().invokeExact(target, source, source.byteSize(), handle()),
                    "cuMemcpyHtoDAsync");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Copies from the device, as much as the target holds; the target may be read once the stream is done. */
    public void toHost(long source, MemorySegment target) {
        try {
            check(
                    (int) context().memoryCalls().toHost().invokeExact(target, source, target.byteSize(), handle()),
                    "cuMemcpyDtoHAsync");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Copies on the device. */
    public void onDevice(long source, long target, long bytes) {
        try {
            check(
                    (int) context().memoryCalls().onDevice().invokeExact(target, source, bytes, handle()),
                    "cuMemcpyDtoDAsync");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Sets every byte from an address on. */
    public void fill(long target, byte value, long bytes) {
        try {
            check((int) context().memoryCalls().fill().invokeExact(target, value, bytes, handle()), "cuMemsetD8Async");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Marks this moment: the event is done when all that was given to the stream before is done. */
    public void record(CudaEvent event) {
        try {
            check((int) context().streamCalls().record().invokeExact(event.handle(), handle()), "cuEventRecord");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** What is given from now on begins only when the event is done; the host does not wait. */
    public void waitFor(CudaEvent event) {
        try {
            check(
                    (int) context().streamCalls().waitFor().invokeExact(handle(), event.handle(), 0),
                    "cuStreamWaitEvent");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** True if everything given to it is done. */
    boolean isDone() {
        try {
            int code = (int) context().streamCalls().query().invokeExact(handle());
            if (code == CudaErrors.NOT_READY) {
                return false;
            }
            check(code, "cuStreamQuery");
            return true;
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Lets the calling thread wait until everything given to it is done; errors of kernels come out here. */
    public void synchronize() {
        try {
            check((int) context().streamCalls().synchronize().invokeExact(handle()), "cuStreamSynchronize");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /**
     * Records what the work gives to this stream, without doing it.
     *
     * @return to be launched any number of times, with the addresses of the recording
     */
    public CudaGraph capture(Runnable work) {
        try {
            check(
                    (int) context().streamCalls().beginCapture().invokeExact(handle(), CAPTURE_THREAD_LOCAL),
                    "cuStreamBeginCapture");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
        RuntimeException failure = null;
        try {
            work.run();
        } catch (RuntimeException e) {
            failure = e;
        }
        return endCapture(failure);
    }

    /** A capture must be ended even if the work failed, or the stream stays unusable. */
    private CudaGraph endCapture(@Nullable RuntimeException failure) {
        StreamCalls calls = context().streamCalls();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            int code = (int) calls.endCapture().invokeExact(handle(), out);
            MemorySegment graph = out.get(ADDRESS, 0);
            try {
                if (failure != null) {
                    throw failure;
                }
                check(code, "cuStreamEndCapture");
                check((int) calls.instantiate().invokeExact(out, graph, 0L), "cuGraphInstantiate");
                return new CudaGraph(context(), out.get(ADDRESS, 0));
            } finally {
                if (graph.address() != 0) {
                    int ignored = (int) calls.destroyGraph().invokeExact(graph);
                }
            }
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    private void check(int code, String operation) {
        context().check(code, operation);
    }

    @Override
    void destroy() {
        try {
            check((int) context().streamCalls().destroy().invokeExact(handle), "cuStreamDestroy");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
