package dev.sluice.executor.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.sluice.executor.cuda.driver.CudaErrors;
import dev.sluice.executor.cuda.driver.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** The library of {@code src/test/c/fake_cublaslt.c}, if this machine has a C compiler to build it. */
@SuppressWarnings("restricted")
public final class FakeCublasLt {

    private static final @Nullable Path LIBRARY = FakeCuda.compile("fake_cublaslt");

    private final SymbolLookup symbols;

    private FakeCublasLt(Path library) {
        symbols = SymbolLookup.libraryLookup(library, Arena.global());
        behave(16, false, 0);
    }

    /** Null without a C compiler. */
    public static @Nullable FakeCublasLt fresh() {
        return LIBRARY == null ? null : new FakeCublasLt(LIBRARY);
    }

    static String path() {
        return String.valueOf(LIBRARY);
    }

    public static NativeLibrary library() {
        return NativeLibrary.open(path());
    }

    /**
     * How it computes from now on.
     *
     * @param step numbers whose products are added up first; the tensor cores have 16
     * @param findsNothing true if it has no algorithm for anything
     * @param failure status that products fail with; 0 for none
     */
    public void behave(int step, boolean findsNothing, int failure) {
        FunctionDescriptor type = FunctionDescriptor.ofVoid(JAVA_INT, JAVA_INT, JAVA_INT);
        call("fake_lt_behave", type, step, findsNothing ? 1 : 0, failure);
    }

    /** What was created and not destroyed. */
    public int alive() {
        return (int) call("fake_lt_alive", FunctionDescriptor.of(JAVA_INT));
    }

    /** Products since {@link #behave}. */
    public int runs() {
        return (int) call("fake_lt_runs", FunctionDescriptor.of(JAVA_INT));
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
