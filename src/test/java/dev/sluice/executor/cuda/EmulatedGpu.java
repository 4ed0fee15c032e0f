package dev.sluice.executor.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.cuda.driver.CudaDriver;
import dev.sluice.executor.cuda.driver.CudaErrors;
import dev.sluice.executor.cuda.driver.TensorMap;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The kernels of {@code src/main/cuda}, on the machine's own GPU if there is one, else compiled by g++ for the GPU of
 * {@code src/test/c/emulated_gpu.h}.
 */
@SuppressWarnings("restricted")
public final class EmulatedGpu {

    private static final String MISSING = "Kernels are not run: there is no g++ on the PATH.";
    private static final @Nullable RealGpu REAL = TestGpu.isReal() ? new RealGpu(CudaDriver.LIBRARY) : null;
    private static final @Nullable Path LIBRARY = REAL == null ? compile() : null;
    private static final EmulatedGpu INSTANCE = new EmulatedGpu();

    /** An array as a matrix for the copy engine, to be copied in boxes of so many rows. */
    record MatrixMap(Numbers array, int rows, int columns, int boxRows) {

        private static final long MAGIC = 0x534c554943454d41L;

        /** In the words that {@code emulated_hopper.h} reads. */
        void writeTo(MemorySegment map) {
            int elementBytes = array.format.bytes;
            long[] words = {
                MAGIC,
                array.address(),
                columns,
                rows,
                (long) columns * elementBytes,
                128 / elementBytes,
                boxRows,
                elementBytes
            };
            MemorySegment.copy(words, 0, map, JAVA_LONG, 0, words.length);
        }
    }

    private final @Nullable MethodHandle launch;

    private EmulatedGpu() {
        launch = LIBRARY == null
                ? null
                : Linker.nativeLinker()
                        .downcallHandle(
                                SymbolLookup.libraryLookup(LIBRARY, Arena.global())
                                        .find("emulated_launch")
                                        .orElseThrow(),
                                FunctionDescriptor.of(
                                        ADDRESS, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS));
    }

    /** Skips the test on a machine without a GPU and without g++. */
    static EmulatedGpu require() {
        assumeTrue(REAL != null || LIBRARY != null, MISSING);
        return INSTANCE;
    }

    /** The compiled kernels, for a driver that launches them itself; null without g++. */
    static @Nullable Path library() {
        return LIBRARY;
    }

    /** From now on products of four warps add up their 16 in two steps, and products of one warp in one. */
    public static void addInHalves(boolean value) {
        if (LIBRARY == null) {
            return;
        }
        MethodHandle handle = Linker.nativeLinker()
                .downcallHandle(
                        SymbolLookup.libraryLookup(LIBRARY, Arena.global())
                                .find("emulated_adds_in_halves")
                                .orElseThrow(),
                        FunctionDescriptor.ofVoid(JAVA_INT));
        try {
            handle.invokeExact(value ? 1 : 0);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    private static @Nullable Path compile() {
        Path library = Path.of("target", "libemulatedkernels.so").toAbsolutePath();
        try {
            Files.createDirectories(library.getParent());
            Process compiler = new ProcessBuilder(
                            "g++",
                            "-O2",
                            "-march=native", // with fused multiply-adds, as on a GPU
                            "-std=c++17",
                            "-shared",
                            "-fPIC",
                            "-DSLUICE_EMULATED",
                            "-Isrc/test/c",
                            "-Isrc/main/cuda/include",
                            "-Isrc/main/cuda/kernels",
                            "-o",
                            library.toString(),
                            "src/test/c/emulated_kernels.cpp")
                    .redirectErrorStream(true)
                    .start();
            String output = new String(compiler.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (compiler.waitFor() != 0) {
                throw new IllegalStateException("src/test/c/emulated_kernels.cpp does not compile:\n" + output);
            }
            return library;
        } catch (IOException e) {
            System.out.println(MISSING);
            return null;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UncheckedIOException(new IOException(e));
        }
    }

    /**
     * Launches and waits.
     *
     * @param arguments arrays, maps of them, null for a null pointer, ints, longs, floats: in the kernel's order
     * @throws IllegalStateException if the kernel meets its barriers wrongly, or writes where it must not
     */
    synchronized void launch(
            String kernel, int x, int y, int z, int block, int sharedBytes, @Nullable Object... arguments) {
        if (REAL == null) {
            emulate(kernel, x, y, z, block, sharedBytes, arguments);
        } else {
            REAL.launch(kernel, x, y, z, block, sharedBytes, arguments);
        }
        for (Object argument : arguments) {
            if (argument instanceof Numbers array) {
                array.checkMargins();
            }
        }
    }

    private void emulate(
            String kernel, int x, int y, int z, int block, int sharedBytes, @Nullable Object... arguments) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment values = arena.allocate((long) TensorMap.BYTES * arguments.length, TensorMap.ALIGNMENT);
            MemorySegment pointers = arena.allocate(ADDRESS, arguments.length);
            for (int i = 0; i < arguments.length; i++) {
                MemorySegment value = values.asSlice((long) i * TensorMap.BYTES, TensorMap.BYTES);
                switch (arguments[i]) {
                    case Numbers array -> value.set(JAVA_LONG, 0, array.address());
                    case Integer number -> value.set(JAVA_INT, 0, number);
                    case Long number -> value.set(JAVA_LONG, 0, number);
                    case Float number -> value.set(JAVA_FLOAT, 0, number);
                    case MatrixMap map -> map.writeTo(value);
                    case null -> value.set(JAVA_LONG, 0, 0);
                    default -> throw new IllegalArgumentException("argument " + i + " of " + kernel);
                }
                pointers.setAtIndex(ADDRESS, i, value);
            }
            MemorySegment message = (MemorySegment)
                    launch.invokeExact(arena.allocateFrom(kernel), x, y, z, block, sharedBytes, pointers);
            if (message.address() != 0) {
                throw new IllegalStateException(
                        kernel + ": " + message.reinterpret(Long.MAX_VALUE).getString(0));
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
