package dev.sluice.executor.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A shared library and its functions, which all return an {@code int}: zero, or an error code. */
final class NativeLibrary {

    private final String name;
    private final SymbolLookup symbols;

    private NativeLibrary(String name, SymbolLookup symbols) {
        this.name = name;
        this.symbols = symbols;
    }

    /**
     * Opens a library for the rest of the process.
     *
     * @param name what the system's loader knows, such as {@code libcuda.so.1}, or an absolute path
     * @throws CudaUnavailableException if there is none
     */
    @SuppressWarnings("restricted") // this is where native code begins
    static NativeLibrary open(String name) {
        try {
            Path path = Path.of(name);
            return new NativeLibrary(
                    name,
                    path.isAbsolute()
                            ? SymbolLookup.libraryLookup(path, Arena.global())
                            : SymbolLookup.libraryLookup(name, Arena.global()));
        } catch (IllegalArgumentException e) {
            throw new CudaUnavailableException("the library " + name + " cannot be opened: is a driver installed?", e);
        }
    }

    /** As {@link #open}, but null if there is none. */
    static @Nullable NativeLibrary openIfPresent(String name) {
        try {
            return open(name);
        } catch (CudaUnavailableException e) {
            return null;
        }
    }

    /** @throws CudaUnavailableException if the library has no such function */
    MethodHandle function(String function, MemoryLayout... arguments) {
        MethodHandle found = find(function, arguments);
        if (found == null) {
            throw new CudaUnavailableException(
                    "the library " + name + " has no function " + function + ": it is too old", null);
        }
        return found;
    }

    /** Null if the library has no such function. */
    @SuppressWarnings("restricted") // this is where native code begins
    @Nullable
    MethodHandle find(String function, MemoryLayout... arguments) {
        return symbols.find(function)
                .map(symbol -> Linker.nativeLinker()
                        .downcallHandle(symbol, FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments)))
                .orElse(null);
    }
}
