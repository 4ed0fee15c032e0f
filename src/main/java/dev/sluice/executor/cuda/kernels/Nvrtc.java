package dev.sluice.executor.cuda.kernels;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.sluice.executor.cuda.driver.CudaErrors;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.driver.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** NVRTC, the compiler for CUDA C++ that runs in this process. It comes with the toolkit, so a host may lack it. */
final class Nvrtc {

    /** What Linux calls it: the one that the host prefers, else by version. */
    static final List<String> LIBRARIES = List.of("libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12");

    private static final int SUCCESS = 0;
    private static final int LOG_MAX = 4000; // characters: one mistake in a template is repeated for every use of it

    private final MethodHandle create;
    private final MethodHandle compile;
    private final MethodHandle destroy;
    private final MethodHandle cubinSize;
    private final MethodHandle cubin;
    private final MethodHandle logSize;
    private final MethodHandle log;
    private final MethodHandle errorString;
    private final String version;

    private Nvrtc(NativeLibrary library) {
        create = library.function("nvrtcCreateProgram", ADDRESS, ADDRESS, ADDRESS, JAVA_INT, ADDRESS, ADDRESS);
        compile = library.function("nvrtcCompileProgram", ADDRESS, JAVA_INT, ADDRESS);
        destroy = library.function("nvrtcDestroyProgram", ADDRESS);
        cubinSize = library.function("nvrtcGetCUBINSize", ADDRESS, ADDRESS);
        cubin = library.function("nvrtcGetCUBIN", ADDRESS, ADDRESS);
        logSize = library.function("nvrtcGetProgramLogSize", ADDRESS, ADDRESS);
        log = library.function("nvrtcGetProgramLog", ADDRESS, ADDRESS);
        errorString = library.addressFunction("nvrtcGetErrorString", JAVA_INT);
        MethodHandle versionCall = library.function("nvrtcVersion", ADDRESS, ADDRESS);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment major = arena.allocate(JAVA_INT);
            MemorySegment minor = arena.allocate(JAVA_INT);
            check((int) versionCall.invokeExact(major, minor), "nvrtcVersion");
            version = major.get(JAVA_INT, 0) + "." + minor.get(JAVA_INT, 0);
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    /**
     * Null if the host has none of these libraries.
     *
     * @throws CudaUnavailableException if it has one that cannot be used
     */
    static @Nullable Nvrtc open(List<String> libraries) {
        NativeLibrary library = NativeLibrary.first(libraries);
        return library == null ? null : new Nvrtc(library);
    }

    /** Such as {@code 13.0}. */
    String version() {
        return version;
    }

    /**
     * Compiles to machine code.
     *
     * @param options one of them names the architecture
     * @throws CudaUnavailableException if it does not compile, with what the compiler says
     */
    byte[] compile(KernelSource source, List<String> options) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            MemorySegment text = arena.allocateFrom(source.text());
            MemorySegment name = arena.allocateFrom(source.name());
            MemorySegment headers = texts(arena, source.headers().values());
            MemorySegment headerNames = texts(arena, source.headers().keySet());
            int count = source.headers().size();
            check((int) create.invokeExact(out, text, name, count, headers, headerNames), "nvrtcCreateProgram");
            try {
                return compiled(arena, out.get(ADDRESS, 0), source.name(), options);
            } finally {
                int code = (int) destroy.invokeExact(out);
                assert code == SUCCESS : code; // only a program that does not exist is refused
            }
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }

    private byte[] compiled(Arena arena, MemorySegment program, String name, List<String> options) throws Throwable {
        int code = (int) compile.invokeExact(program, options.size(), texts(arena, options));
        if (code != SUCCESS) {
            throw new CudaUnavailableException(
                    "NVRTC " + version + " cannot compile " + name + " with " + String.join(" ", options) + ": "
                            + error(code) + "\n" + log(arena, program),
                    null);
        }
        MemorySegment bytes = arena.allocate(size(arena, program, cubinSize, "nvrtcGetCUBINSize"));
        check((int) cubin.invokeExact(program, bytes), "nvrtcGetCUBIN");
        return bytes.toArray(JAVA_BYTE);
    }

    private String log(Arena arena, MemorySegment program) throws Throwable {
        MemorySegment bytes = arena.allocate(size(arena, program, logSize, "nvrtcGetProgramLogSize"));
        check((int) log.invokeExact(program, bytes), "nvrtcGetProgramLog");
        String text = new String(bytes.toArray(JAVA_BYTE), StandardCharsets.UTF_8)
                .replace("\0", "")
                .strip();
        return text.length() <= LOG_MAX ? text : text.substring(0, LOG_MAX) + " ...";
    }

    private long size(Arena arena, MemorySegment program, MethodHandle call, String name) throws Throwable {
        MemorySegment out = arena.allocate(JAVA_LONG);
        check((int) call.invokeExact(program, out), name);
        return out.get(JAVA_LONG, 0);
    }

    private static MemorySegment texts(Arena arena, Collection<String> texts) {
        MemorySegment pointers = arena.allocate(ADDRESS, texts.size());
        int i = 0;
        for (String text : texts) {
            pointers.setAtIndex(ADDRESS, i++, arena.allocateFrom(text));
        }
        return pointers;
    }

    private void check(int code, String operation) {
        if (code != SUCCESS) {
            throw new CudaUnavailableException(operation + " failed: " + error(code), null);
        }
    }

    @SuppressWarnings("restricted") // the text is the library's own, and ends with a zero
    private String error(int code) {
        try {
            MemorySegment text = (MemorySegment) errorString.invokeExact(code);
            return text.reinterpret(Long.MAX_VALUE).getString(0) + " (" + code + ")";
        } catch (Throwable e) {
            throw CudaErrors.unexpected(e);
        }
    }
}
