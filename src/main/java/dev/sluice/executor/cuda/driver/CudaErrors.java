package dev.sluice.executor.cuda.driver;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Set;

/**
 * Turns the driver's return codes into exceptions that say how far the damage goes. Some errors are sticky: after them
 * every call fails, and only a new process helps.
 */
public final class CudaErrors {

    static final int SUCCESS = 0;
    static final int OUT_OF_MEMORY = 2;
    static final int NOT_READY = 600;

    /** After these every further call fails: broken memory or links, faults and time-outs of kernels, a dead context. */
    private static final Set<Integer> STICKY =
            Set.of(214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999);

    private final MethodHandle errorName;

    CudaErrors(NativeLibrary library) {
        errorName = library.function("cuGetErrorName", ValueLayout.JAVA_INT, ValueLayout.ADDRESS);
    }

    /** @throws ExecutorException if the code is not success */
    void check(int code, String operation) {
        if (code != SUCCESS) {
            throw of(code, operation);
        }
    }

    ExecutorException of(int code, String operation) {
        return new ExecutorException(scope(code), operation + " failed: " + name(code) + " (" + code + ")");
    }

    static Scope scope(int code) {
        return STICKY.contains(code) ? Scope.DEVICE : Scope.STEP;
    }

    @SuppressWarnings("restricted") // this is where native code begins
    private String name(int code) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocate(ValueLayout.ADDRESS);
            if ((int) errorName.invokeExact(code, text) != SUCCESS) {
                return "unknown error";
            }
            return text.get(ValueLayout.ADDRESS, 0).reinterpret(Long.MAX_VALUE).getString(0);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /** What a downcall throws is never the driver's doing. */
    public static RuntimeException unexpected(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return e instanceof RuntimeException known ? known : new IllegalStateException("a native call failed", e);
    }
}
