package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.invoke.MethodHandle;

/** The driver's functions for compiled kernels. */
record ModuleCalls(
        MethodHandle load,
        MethodHandle unload,
        MethodHandle function,
        MethodHandle setAttribute,
        MethodHandle getAttribute) {

    static ModuleCalls of(NativeLibrary library) {
        return new ModuleCalls(
                library.function("cuModuleLoadData", ADDRESS, ADDRESS),
                library.function("cuModuleUnload", ADDRESS),
                library.function("cuModuleGetFunction", ADDRESS, ADDRESS, ADDRESS),
                library.function("cuFuncSetAttribute", ADDRESS, JAVA_INT, JAVA_INT),
                library.function("cuFuncGetAttribute", ADDRESS, JAVA_INT, ADDRESS));
    }
}
