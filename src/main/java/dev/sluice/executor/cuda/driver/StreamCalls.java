package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemoryLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The driver's functions for streams, events and graphs. */
record StreamCalls(
        MethodHandle create,
        MethodHandle destroy,
        MethodHandle synchronize,
        MethodHandle query,
        MethodHandle waitFor,
        MethodHandle createEvent,
        MethodHandle destroyEvent,
        MethodHandle record,
        MethodHandle queryEvent,
        MethodHandle synchronizeEvent,
        MethodHandle elapsed,
        MethodHandle beginCapture,
        MethodHandle endCapture,
        MethodHandle instantiate,
        MethodHandle destroyGraph,
        MethodHandle launchGraph,
        MethodHandle destroyGraphExec,
        MethodHandle launch,
        @Nullable MethodHandle launchEarly) {

    private static final int LAUNCH_SIZES = 7; // grid, block, shared memory

    static StreamCalls of(NativeLibrary library) {
        List<MemoryLayout> launch = new ArrayList<>(List.of(ADDRESS));
        launch.addAll(Collections.nCopies(LAUNCH_SIZES, JAVA_INT));
        launch.addAll(List.of(ADDRESS, ADDRESS, ADDRESS));
        return new StreamCalls(
                library.function("cuStreamCreateWithPriority", ADDRESS, JAVA_INT, JAVA_INT),
                library.function("cuStreamDestroy_v2", ADDRESS),
                library.function("cuStreamSynchronize", ADDRESS),
                library.function("cuStreamQuery", ADDRESS),
                library.function("cuStreamWaitEvent", ADDRESS, ADDRESS, JAVA_INT),
                library.function("cuEventCreate", ADDRESS, JAVA_INT),
                library.function("cuEventDestroy_v2", ADDRESS),
                library.function("cuEventRecord", ADDRESS, ADDRESS),
                library.function("cuEventQuery", ADDRESS),
                library.function("cuEventSynchronize", ADDRESS),
                library.function("cuEventElapsedTime", ADDRESS, ADDRESS, ADDRESS),
                library.function("cuStreamBeginCapture_v2", ADDRESS, JAVA_INT),
                library.function("cuStreamEndCapture", ADDRESS, ADDRESS),
                library.function("cuGraphInstantiateWithFlags", ADDRESS, ADDRESS, JAVA_LONG),
                library.function("cuGraphDestroy", ADDRESS),
                library.function("cuGraphLaunch", ADDRESS, ADDRESS),
                library.function("cuGraphExecDestroy", ADDRESS),
                library.function("cuLaunchKernel", launch.toArray(MemoryLayout[]::new)),
                library.find("cuLaunchKernelEx", ADDRESS, ADDRESS, ADDRESS, ADDRESS)); // since CUDA 11.8
    }
}
