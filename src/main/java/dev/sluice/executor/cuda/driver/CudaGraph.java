package dev.sluice.executor.cuda.driver;

import java.lang.foreign.MemorySegment;

/** A recorded sequence of launches and copies that is begun with one call. */
public final class CudaGraph extends CudaHandle {

    private final MemorySegment handle;

    CudaGraph(CudaContext context, MemorySegment handle) {
        super(context);
        this.handle = handle;
    }

    public void launch(CudaStream stream) {
        requireOpen();
        try {
            context()
                    .check(
                            (int) context().streamCalls().launchGraph().invokeExact(handle, stream.handle()),
                            "cuGraphLaunch");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    @Override
    void destroy() {
        try {
            context().check((int) context().streamCalls().destroyGraphExec().invokeExact(handle), "cuGraphExecDestroy");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
