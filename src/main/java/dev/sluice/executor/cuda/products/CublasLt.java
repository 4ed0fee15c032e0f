package dev.sluice.executor.cuda.products;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.driver.CudaErrors;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.driver.DeviceBuffer;
import dev.sluice.executor.cuda.driver.NativeLibrary;
import dev.sluice.executor.cuda.kernels.HalfType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * NVIDIA's library of matrix products, if the host has it: C[M, N] = A[M, K] * W[N, K]^T in 16 bits with fp32 sums.
 *
 * <p>Its matrices are stored by columns; what is row-major here is the transpose there, so it is asked for
 * C^T = (W^T)^T * A^T. It may not split sums over k: their parts would be added in an order that depends on M.
 */
public final class CublasLt implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(CublasLt.class);

    /** What its makers advise for Hopper. */
    public static final long WORKSPACE_BYTES = 32 << 20;

    /** What the system's loader knows it by, the newest first. */
    public static final List<String> LIBRARIES = List.of("libcublasLt.so.13", "libcublasLt.so.12");

    private static final int FLOAT = 0;
    private static final int FP16 = 2;
    private static final int BF16 = 14;
    private static final int COMPUTE_FLOAT = 68;
    private static final int TRANSPOSE_A = 3;
    private static final int COLUMNS = 3;
    private static final int WORKSPACE_BYTES_MAX = 1;
    private static final int REDUCTION_SCHEMES = 3;
    private static final int NO_REDUCTION = 0;

    /** An algorithm is 64 bytes, followed by its workspace, state, waves and reserved words. */
    private static final long HEURISTIC_BYTES = 96;

    private static final long WORKSPACE_OFFSET = 64;

    private record Calls(
            MethodHandle createLayout, MethodHandle setLayout, MethodHandle findAlgorithm, MethodHandle multiply) {}

    private final CudaStream stream;
    private final DeviceBuffer workspace;
    private final Arena arena = Arena.ofShared();
    private final Deque<AutoCloseable> owned = new ArrayDeque<>();
    private final NativeLibrary library;
    private final Calls calls;
    private final MemorySegment handle;
    private final MemorySegment operation;
    private final MemorySegment preference;
    private final MemorySegment one = arena.allocateFrom(JAVA_FLOAT, 1);
    private final MemorySegment zero = arena.allocateFrom(JAVA_FLOAT, 0);

    /**
     * @param workspaceBytes device memory that a product may use, {@link #WORKSPACE_BYTES} for speed; taken here
     * @throws ExecutorException if the library does not work on this device
     */
    public CublasLt(NativeLibrary library, CudaStream stream, long workspaceBytes) {
        this.library = library;
        this.stream = stream;
        calls = new Calls(
                library.function("cublasLtMatrixLayoutCreate", ADDRESS, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG),
                library.function("cublasLtMatrixLayoutSetAttribute", ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG),
                library.function(
                        "cublasLtMatmulAlgoGetHeuristic",
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        JAVA_INT,
                        ADDRESS,
                        ADDRESS),
                library.function(
                        "cublasLtMatmul",
                        ADDRESS,
                        ADDRESS,
                        ADDRESS,
                        JAVA_LONG,
                        ADDRESS,
                        JAVA_LONG,
                        ADDRESS,
                        ADDRESS,
                        JAVA_LONG,
                        ADDRESS,
                        JAVA_LONG,
                        ADDRESS,
                        ADDRESS,
                        JAVA_LONG,
                        JAVA_LONG,
                        ADDRESS));
        workspace = DeviceBuffer.allocate(stream.context(), workspaceBytes);
        owned.push(workspace);
        try (Arena local = Arena.ofConfined()) {
            MemorySegment out = local.allocate(ADDRESS);
            MethodHandle create = library.function("cublasLtCreate", ADDRESS);
            check((int) create.invokeExact(out), "cublasLtCreate");
            handle = own(out, "cublasLtDestroy");
            MethodHandle describe = library.function("cublasLtMatmulDescCreate", ADDRESS, JAVA_INT, JAVA_INT);
            check((int) describe.invokeExact(out, COMPUTE_FLOAT, FLOAT), "cublasLtMatmulDescCreate");
            operation = own(out, "cublasLtMatmulDescDestroy");
            set("cublasLtMatmulDescSetAttribute", operation, TRANSPOSE_A, local.allocateFrom(JAVA_INT, 1));
            MethodHandle prefer = library.function("cublasLtMatmulPreferenceCreate", ADDRESS);
            check((int) prefer.invokeExact(out), "cublasLtMatmulPreferenceCreate");
            preference = own(out, "cublasLtMatmulPreferenceDestroy");
            String setPreference = "cublasLtMatmulPreferenceSetAttribute";
            set(setPreference, preference, WORKSPACE_BYTES_MAX, local.allocateFrom(JAVA_LONG, workspaceBytes));
            set(setPreference, preference, REDUCTION_SCHEMES, local.allocateFrom(JAVA_INT, NO_REDUCTION));
        } catch (Throwable e) {
            close();
            throw CudaErrors.unexpected(e);
        }
    }

    /**
     * The host's library.
     *
     * @param named a path or a name of it; if empty, the names that the system's loader may know are tried
     * @return null if no name was given and there is none
     * @throws CudaUnavailableException if what was named cannot be opened: whoever names a library does not expect to go
     *     without
     */
    public static @Nullable NativeLibrary find(String named) {
        if (named.isEmpty()) {
            return NativeLibrary.first(LIBRARIES);
        }
        NativeLibrary library = NativeLibrary.first(List.of(named));
        if (library == null) {
            throw new CudaUnavailableException(
                    "sluice.executor.cuda.cublas-library is " + named
                            + ", which cannot be opened; leave it empty to do without",
                    null);
        }
        return library;
    }

    /** With {@link #WORKSPACE_BYTES}; null, and a line in the log, if the library does not work here. */
    public static @Nullable CublasLt openIfUsable(NativeLibrary library, CudaStream stream) {
        try {
            return new CublasLt(library, stream, WORKSPACE_BYTES);
        } catch (ExecutorException e) {
            if (e.scope() == ExecutorException.Scope.DEVICE) {
                throw e;
            }
            log.warn("cuBLASLt is left out: {}", e.getMessage());
        } catch (CudaUnavailableException e) {
            log.warn("cuBLASLt is left out: {}", e.getMessage());
        }
        return null;
    }

    /** Notes that what the library has just created at {@code out} is given back in the end. */
    private MemorySegment own(MemorySegment out, String destroyer) {
        MemorySegment created = out.get(ADDRESS, 0);
        MethodHandle destroy = library.function(destroyer, ADDRESS);
        owned.push(() -> {
            try {
                check((int) destroy.invokeExact(created), destroyer);
            } catch (Throwable e) {
                throw CudaErrors.unexpected(e);
            }
        });
        return created;
    }

    private void set(String function, MemorySegment what, int attribute, MemorySegment value) throws Throwable {
        MethodHandle setter = library.function(function, ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG);
        check((int) setter.invokeExact(what, attribute, value, value.byteSize()), function);
    }

    private static void check(int status, String function) {
        if (status != 0) {
            throw new ExecutorException(ExecutorException.Scope.STEP, function + " failed with status " + status);
        }
    }

    /** Products with one shape of weights, by the algorithm that the library finds best for so many rows. */
    final class Product {

        private final MemorySegment weights;
        private final MemorySegment rows;
        private final MemorySegment result;
        private final MemorySegment algorithm;
        private final MemorySegment rowCount = arena.allocate(JAVA_LONG);

        private Product(
                MemorySegment weights, MemorySegment rows, MemorySegment result, MemorySegment algorithm, int m) {
            this.weights = weights;
            this.rows = rows;
            this.result = result;
            this.algorithm = algorithm;
            rowCount.set(JAVA_LONG, 0, m);
        }

        /**
         * Gives a product to the stream.
         *
         * @param c address of the result; likewise a and w of the operands
         */
        void run(long c, long a, long w, int m) {
            try {
                if (rowCount.get(JAVA_LONG, 0) != m) {
                    rowCount.set(JAVA_LONG, 0, m);
                    setColumns(rows);
                    setColumns(result);
                }
                int status = (int) calls.multiply.invokeExact(
                        handle,
                        operation,
                        one,
                        w,
                        weights,
                        a,
                        rows,
                        zero,
                        c,
                        result,
                        c,
                        result,
                        algorithm,
                        workspace.address(),
                        workspace.bytes(),
                        stream.handle());
                check(status, "cublasLtMatmul");
            } catch (Throwable e) {
                throw CudaErrors.unexpected(e);
            }
        }

        private void setColumns(MemorySegment layout) throws Throwable {
            int status = (int) calls.setLayout.invokeExact(layout, COLUMNS, rowCount, rowCount.byteSize());
            check(status, "cublasLtMatrixLayoutSetAttribute");
        }
    }

    /**
     * Looks for an algorithm.
     *
     * @param m rows that it is to be good for; it serves others too
     * @return null if the library has none
     */
    @Nullable
    Product product(HalfType type, boolean floatResult, int m, int n, int k) {
        int in = type == HalfType.BF16 ? BF16 : FP16;
        try (Arena local = Arena.ofConfined()) {
            MemorySegment weights = layout(in, k, n);
            MemorySegment rows = layout(in, k, m);
            MemorySegment result = layout(floatResult ? FLOAT : in, n, m);
            MemorySegment found = arena.allocate(HEURISTIC_BYTES, JAVA_LONG.byteAlignment());
            MemorySegment count = local.allocate(JAVA_INT);
            int status = (int) calls.findAlgorithm.invokeExact(
                    handle, operation, weights, rows, result, result, preference, 1, found, count);
            if (status != 0 || count.get(JAVA_INT, 0) < 1) {
                return null; // it refuses shapes that it does not support
            }
            if (found.get(JAVA_LONG, WORKSPACE_OFFSET) > workspace.bytes()) {
                return null;
            }
            return new Product(weights, rows, result, found, m);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    private MemorySegment layout(int type, long rows, long columns) throws Throwable {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment out = local.allocate(ADDRESS);
            int status = (int) calls.createLayout.invokeExact(out, type, rows, columns, rows);
            check(status, "cublasLtMatrixLayoutCreate");
            return own(out, "cublasLtMatrixLayoutDestroy");
        }
    }

    /** Gives everything back, the last first; products must not be run afterwards. Idempotent. */
    @Override
    public void close() {
        while (!owned.isEmpty()) {
            try {
                owned.pop().close();
            } catch (Exception e) {
                throw CudaErrors.unexpected(e);
            }
        }
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
