package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.Set;

/** Compiled kernels, loaded onto the device. */
public final class CudaModule extends CudaHandle {

    private static final int MAX_DYNAMIC_SHARED_BYTES = 8;
    private static final int PREFERRED_SHARED_PERCENT = 9;
    private static final int PTX_VERSION = 5; // of the architecture that the code was compiled for: tens are major
    private static final int WAITS_FROM = 90;
    private static final int FREE_SHARED_BYTES = 48 << 10; // more has to be asked for

    /** Invalid image, no binary for the device; PTX: invalid, no compiler for it, too new, compiling it switched off. */
    private static final Set<Integer> UNUSABLE = Set.of(200, 209, 218, 221, 222, 223);

    private final MemorySegment handle;

    private CudaModule(CudaContext context, MemorySegment handle) {
        super(context);
        this.handle = handle;
    }

    /** @param image a cubin for the device's architecture, a fat binary, or PTX with a final zero */
    public static CudaModule load(CudaContext context, byte[] image) {
        return load(context, image, Set.of()).orElseThrow();
    }

    /** Empty if the driver finds no code for its device in the image, or cannot compile the PTX that is there. */
    public static Optional<CudaModule> loadIfUsable(CudaContext context, byte[] image) {
        return load(context, image, UNUSABLE);
    }

    private static Optional<CudaModule> load(CudaContext context, byte[] image, Set<Integer> accepted) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            MemorySegment bytes = arena.allocate(image.length, 64);
            MemorySegment.copy(MemorySegment.ofArray(image), 0, bytes, 0, image.length);
            int code = (int) context.moduleCalls().load().invokeExact(out, bytes);
            if (accepted.contains(code)) {
                return Optional.empty();
            }
            context.check(code, "cuModuleLoadData");
            return Optional.of(new CudaModule(context, out.get(ADDRESS, 0)));
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /**
     * A kernel by its name.
     *
     * @param sharedBytes dynamic shared memory that each of its blocks gets
     */
    public CudaFunction function(String name, int sharedBytes) {
        requireOpen();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            context()
                    .check(
                            (int) context().moduleCalls().function().invokeExact(out, handle, arena.allocateFrom(name)),
                            "cuModuleGetFunction of " + name);
            MemorySegment function = out.get(ADDRESS, 0);
            if (sharedBytes > FREE_SHARED_BYTES) {
                context()
                        .check(
                                (int) context()
                                        .moduleCalls()
                                        .setAttribute()
                                        .invokeExact(function, MAX_DYNAMIC_SHARED_BYTES, sharedBytes),
                                "cuFuncSetAttribute of " + name);
            }
            preferShared(function);
            return new CudaFunction(name, function, sharedBytes, waits(function, arena));
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /**
     * All kernels prefer the most shared memory: a multiprocessor that has to divide its memory in another way runs empty
     * first, and the next kernel could not begin early. Those that use little of it lose little L1 that way: they are bound by
     * streams of bytes. It is a hint, so a driver that refuses it is no reason not to start.
     */
    private void preferShared(MemorySegment function) throws Throwable {
        int ignored = (int) context().moduleCalls().setAttribute().invokeExact(function, PREFERRED_SHARED_PERCENT, 100);
    }

    /** Whether grid.cuh let it wait: what was compiled for an older architecture does not. */
    private boolean waits(MemorySegment function, Arena arena) throws Throwable {
        MemorySegment version = arena.allocate(JAVA_INT);
        int code = (int) context().moduleCalls().getAttribute().invokeExact(version, PTX_VERSION, function);
        context().check(code, "cuFuncGetAttribute");
        return version.get(JAVA_INT, 0) >= WAITS_FROM;
    }

    @Override
    void destroy() {
        try {
            context().check((int) context().moduleCalls().unload().invokeExact(handle), "cuModuleUnload");
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
