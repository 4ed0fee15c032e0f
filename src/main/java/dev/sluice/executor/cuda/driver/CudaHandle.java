package dev.sluice.executor.cuda.driver;

/**
 * Something of the driver's that must be given back once: it belongs to a context, which gives back what its owner has
 * forgotten. Used by one thread at a time.
 */
public abstract sealed class CudaHandle implements AutoCloseable
        permits CudaEvent, CudaGraph, CudaModule, CudaStream, DeviceBuffer, PinnedBuffer {

    private final CudaContext context;
    private boolean closed;

    CudaHandle(CudaContext context) {
        this.context = context;
        context.adopt(this);
    }

    public final CudaContext context() {
        return context;
    }

    /** Gives it back; idempotent. */
    @Override
    public final void close() {
        if (!closed) {
            closed = true;
            context.disown(this);
            destroy();
        }
    }

    final void requireOpen() {
        if (closed) {
            throw new IllegalStateException(getClass().getSimpleName() + " is closed");
        }
    }

    /** The driver's own call. */
    abstract void destroy();
}
