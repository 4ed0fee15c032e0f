package dev.sluice.executor.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.sluice.executor.cuda.driver.CudaErrors;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The compiler of {@code src/test/c/fake_nvrtc.c}, if this machine has a C compiler to build it. */
@SuppressWarnings("restricted")
public final class FakeNvrtc {

    public static final String MISSING = "no C compiler: the use of NVRTC was not checked";
    private static final @Nullable Path LIBRARY = FakeCuda.compile("fake_nvrtc");

    private final SymbolLookup symbols;

    private FakeNvrtc(Path library) {
        symbols = SymbolLookup.libraryLookup(library, Arena.global());
        call("fake_nvrtc_reset", FunctionDescriptor.ofVoid());
    }

    /** Null without a C compiler. */
    public static @Nullable FakeNvrtc fresh() {
        return LIBRARY == null ? null : new FakeNvrtc(LIBRARY);
    }

    /** As {@link Nvrtc#LIBRARIES}; the first is on no host. */
    public static List<String> libraries() {
        return List.of("libno-such-nvrtc.so", String.valueOf(LIBRARY));
    }

    /** Programs that were not destroyed. */
    public int live() {
        return (int) call("fake_nvrtc_live", FunctionDescriptor.of(JAVA_INT));
    }

    /** The calls so far. */
    public List<String> log() {
        MemorySegment text = (MemorySegment) call("fake_nvrtc_log", FunctionDescriptor.of(ADDRESS));
        return text.reinterpret(Long.MAX_VALUE).getString(0).lines().toList();
    }

    /** How often something was really compiled. */
    public long compilations() {
        return log().stream()
                .filter(call -> call.startsWith("nvrtcCompileProgram"))
                .count();
    }

    /** The next call of this function fails. */
    public void fail(String function, int code) {
        try (Arena arena = Arena.ofConfined()) {
            call("fake_nvrtc_fail", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT), arena.allocateFrom(function), code);
        }
    }

    /** Its version from now on is 99 and this. */
    public void minor(int minor) {
        call("fake_nvrtc_minor", FunctionDescriptor.ofVoid(JAVA_INT), minor);
    }

    private Object call(String function, FunctionDescriptor type, Object... arguments) {
        try {
            return Linker.nativeLinker()
                    .downcallHandle(symbols.find(function).orElseThrow(), type)
                    .invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
