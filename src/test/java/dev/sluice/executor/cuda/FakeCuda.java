package dev.sluice.executor.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.sluice.executor.cuda.driver.CudaErrors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The driver of {@code src/test/c/fake_cuda.c}, compiled once, if this machine has a C compiler. */
@SuppressWarnings("restricted")
public final class FakeCuda {

    /** What it counts, in its order. */
    public enum Kind {
        CONTEXT,
        STREAM,
        EVENT,
        MODULE,
        GRAPH,
        GRAPH_EXEC,
        DEVICE_MEMORY,
        PINNED_MEMORY
    }

    private static final @Nullable Path LIBRARY = compile("fake_cuda");

    private final SymbolLookup symbols;

    private FakeCuda(Path library) {
        symbols = SymbolLookup.libraryLookup(library, Arena.global());
        call("fake_reset", FunctionDescriptor.ofVoid());
    }

    /** Null without a C compiler. */
    public static @Nullable FakeCuda fresh() {
        return LIBRARY == null ? null : new FakeCuda(LIBRARY);
    }

    public static String library() {
        return String.valueOf(LIBRARY);
    }

    /** A library from a file of {@code src/test/c}, given without its ending; null without a C compiler. */
    static @Nullable Path compile(String file) {
        Path library = Path.of("target", "lib" + file + ".so").toAbsolutePath();
        String source = "src/test/c/" + file + ".c";
        try {
            Files.createDirectories(library.getParent());
            Process compiler = new ProcessBuilder(
                            "cc", "-O1", "-pthread", "-shared", "-fPIC", "-o", library.toString(), source)
                    .inheritIO()
                    .start();
            if (!compiler.waitFor(60, TimeUnit.SECONDS) || compiler.exitValue() != 0) {
                throw new IllegalStateException(source + " does not compile");
            }
            return library;
        } catch (IOException e) {
            return null;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new UncheckedIOException(new IOException(e));
        }
    }

    public int live(Kind kind) {
        return (int) call("fake_live", FunctionDescriptor.of(JAVA_INT, JAVA_INT), kind.ordinal());
    }

    public int live() {
        int all = 0;
        for (Kind kind : Kind.values()) {
            all += live(kind);
        }
        return all;
    }

    /** The calls so far, one a line. */
    public String log() {
        MemorySegment text = (MemorySegment) call("fake_log", FunctionDescriptor.of(ADDRESS));
        return text.reinterpret(Long.MAX_VALUE).getString(0);
    }

    public void clearLog() {
        call("fake_clear_log", FunctionDescriptor.ofVoid());
    }

    /** A call fails once, after so many successes. */
    public void fail(String function, int code, int after) {
        try (Arena arena = Arena.ofConfined()) {
            call(
                    "fake_fail",
                    FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT, JAVA_INT),
                    arena.allocateFrom(function),
                    code,
                    after);
        }
    }

    public void memory(long bytes) {
        call("fake_memory", FunctionDescriptor.ofVoid(JAVA_LONG), bytes);
    }

    /** Device memory in use. */
    long deviceBytes() {
        return (long) call("fake_memory_used", FunctionDescriptor.of(JAVA_LONG));
    }

    /** What memory holds that nobody has written: where no kernel runs, that is what it seems to answer. */
    public void freshMemory(int value) {
        call("fake_fresh_memory", FunctionDescriptor.ofVoid(JAVA_INT), value);
    }

    public void devices(int count) {
        call("fake_devices", FunctionDescriptor.ofVoid(JAVA_INT), count);
    }

    /** Tens: major, ones: minor. */
    public void capability(int value) {
        call("fake_capability", FunctionDescriptor.ofVoid(JAVA_INT), value);
    }

    /** From now on kernels run, by the given library. */
    void emulate(Path kernels) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment problem = (MemorySegment) call(
                    "fake_emulate", FunctionDescriptor.of(ADDRESS, ADDRESS), arena.allocateFrom(kernels.toString()));
            if (problem.address() != 0) {
                throw new IllegalStateException(
                        problem.reinterpret(Long.MAX_VALUE).getString(0));
            }
        }
    }

    public void pending(int polls) {
        call("fake_pending", FunctionDescriptor.ofVoid(JAVA_INT), polls);
    }

    private Object call(String function, FunctionDescriptor type, Object... arguments) {
        MethodHandle handle =
                Linker.nativeLinker().downcallHandle(symbols.find(function).orElseThrow(), type);
        try {
            return handle.invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
