package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.sluice.executor.ExecutorException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory of the device; its contents are undefined until something is written. */
public final class DeviceBuffer extends CudaHandle {

    private final long address;
    private final long bytes;

    private DeviceBuffer(CudaContext context, long address, long bytes) {
        super(context);
        this.address = address;
        this.bytes = bytes;
    }

    /** @throws ExecutorException if there is not enough memory, naming what was asked for and what is free */
    public static DeviceBuffer allocate(CudaContext context, long bytes) {
        if (bytes < 1) {
            throw new IllegalArgumentException("a device buffer needs at least one byte, not " + bytes);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            int code = (int) context.memoryCalls().allocate().invokeExact(out, bytes);
            if (code == CudaErrors.OUT_OF_MEMORY) {
                throw new ExecutorException(
                        ExecutorException.Scope.STEP,
                        "the device has not enough memory: " + bytes + " bytes are needed, " + context.freeBytes()
                                + " are free");
            }
            context.check(code, "cuMemAlloc");
            return new DeviceBuffer(context, out.get(JAVA_LONG, 0), bytes);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /** Where it lies on the device: what kernels take. */
    public long address() {
        requireOpen();
        return address;
    }

    public long bytes() {
        return bytes;
    }

    /**
     * Address of a part.
     *
     * @throws IndexOutOfBoundsException if the part is not within the buffer
     */
    public long address(long offset, long length) {
        if (offset < 0 || length < 0 || offset > bytes - length) {
            throw new IndexOutOfBoundsException(
                    "bytes " + offset + "+" + length + " of a device buffer of " + bytes + " bytes");
        }
        return address() + offset;
    }

    @Override
    void destroy() {
        try {
            context().check((int) context().memoryCalls().free().invokeExact(address), "cuMemFree");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
