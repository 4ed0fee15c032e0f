package dev.sluice.executor.cuda.driver;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A shared library and its functions: most return an {@code int}, which is zero or an error code. */
public final class NativeLibrary {

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
    public static NativeLibrary open(String name) {
        try {
            return new NativeLibrary(name, lookup(name));
        } catch (IllegalArgumentException e) {
            throw new CudaUnavailableException("the library " + name + " cannot be opened: is a driver installed?", e);
        }
    }

    /** The first of these that can be opened, by names as {@link #open} takes them; null if there is none. */
    public static @Nullable NativeLibrary first(List<String> names) {
        for (String name : names) {
            try {
                return new NativeLibrary(name, lookup(name));
            } catch (IllegalArgumentException e) {
                // this host may have the next one
            }
        }
        return null;
    }

    @SuppressWarnings("restricted") // this is where native code begins
    private static SymbolLookup lookup(String name) {
        Path path = Path.of(name);
        return path.isAbsolute()
                ? SymbolLookup.libraryLookup(path, Arena.global())
                : SymbolLookup.libraryLookup(name, Arena.global());
    }

    /** @throws CudaUnavailableException if the library has no such function */
    public MethodHandle function(String function, MemoryLayout... arguments) {
        return require(function, FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }

    /**
     * A function that returns an address.
     *
     * @throws CudaUnavailableException if the library has no such function
     */
    public MethodHandle addressFunction(String function, MemoryLayout... arguments) {
        return require(function, FunctionDescriptor.of(ValueLayout.ADDRESS, arguments));
    }

    /** Null if the library has no such function. */
    @Nullable
    MethodHandle find(String function, MemoryLayout... arguments) {
        return find(function, FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }

    private MethodHandle require(String function, FunctionDescriptor type) {
        MethodHandle found = find(function, type);
        if (found == null) {
            throw new CudaUnavailableException(
                    "the library " + name + " has no function " + function + ": it is too old", null);
        }
        return found;
    }

    @SuppressWarnings("restricted") // this is where native code begins
    private @Nullable MethodHandle find(String function, FunctionDescriptor type) {
        return symbols.find(function)
                .map(symbol -> Linker.nativeLinker().downcallHandle(symbol, type))
                .orElse(null);
    }
}
