package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.executor.cuda.FakeCuda;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The bindings against a driver that knows which handles live; runs where there is a C compiler. */
class CudaDriverTest {

    private FakeCuda fake;

    @BeforeEach
    void loadTheFakeDriver() {
        FakeCuda fresh = FakeCuda.fresh();
        assumeTrue(fresh != null, "no C compiler: the CUDA bindings were not checked");
        fake = fresh;
    }

    private static CudaContext context() {
        CudaDriver driver = CudaDriver.open(FakeCuda.library());
        return new CudaContext(driver, driver.device(0));
    }

    @Test
    void aDeviceIsWhatTheDriverSays() {
        CudaDriver driver = CudaDriver.open(FakeCuda.library());
        assertThat(driver.version()).isEqualTo(13000);
        CudaDevice device = driver.device(0);
        assertThat(device).isEqualTo(new CudaDevice(0, "Fake 0", 9, 0, 132, 60 << 20, 227 << 10, 1L << 30));
        assertThat(device.architecture()).isEqualTo("sm_90a");
    }

    @Test
    void withoutADriverOrADeviceThereIsOneSentence() {
        assertThatThrownBy(() -> CudaDriver.open("libno-such-cuda.so.1"))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessageContaining("libno-such-cuda.so.1 cannot be opened");
        fake.devices(0);
        assertThatThrownBy(() -> CudaDriver.open(FakeCuda.library()))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessageContaining("no device")
                .hasMessageContaining("CUDA_ERROR_NO_DEVICE");
        fake.devices(2);
        CudaDriver driver = CudaDriver.open(FakeCuda.library());
        assertThatThrownBy(() -> driver.device(2))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessage("sluice.executor.cuda.device is 2, but the driver shows 2 devices, counted from 0");
    }

    @Test
    void everyHandleIsGivenBackOnceWhoeverForgetsIt() {
        CudaContext context = context();
        DeviceBuffer buffer = DeviceBuffer.allocate(context, 1000);
        PinnedBuffer.allocate(context, 1000);
        CudaStream stream = CudaStream.create(context, 0);
        CudaEvent.create(context, false).close();
        CudaEvent.create(context, true);
        CudaModule.load(context, new byte[64]);
        stream.capture(() -> stream.fill(buffer.address(), (byte) 1, buffer.bytes()));
        assertThat(fake.live()).isEqualTo(7); // the context itself too
        buffer.close();
        buffer.close();
        assertThat(fake.live(FakeCuda.Kind.DEVICE_MEMORY)).isZero();
        context.close();
        context.close();
        assertThat(fake.live()).isZero();
        assertThat(fake.log().lines().toList().reversed())
                .startsWith("cuDevicePrimaryCtxRelease", "cuMemFreeHost", "cuStreamDestroy", "cuEventDestroy");
        assertThatThrownBy(buffer::address).hasMessage("DeviceBuffer is closed");
        assertThatThrownBy(() -> CudaStream.create(context, 0)).isInstanceOf(RuntimeException.class);
    }

    @Test
    void closingGoesOnWhateverFails() {
        CudaContext context = context();
        CudaStream.create(context, 0);
        DeviceBuffer.allocate(context, 10);
        fake.fail("cuMemFree", 700, 0);
        assertThatThrownBy(context::close).isInstanceOf(ExecutorException.class);
        assertThat(fake.live(FakeCuda.Kind.STREAM)).isZero();
        assertThat(fake.live(FakeCuda.Kind.CONTEXT)).isZero();
    }

    @Test
    void bytesTravelThroughTheDeviceInTheOrderOfTheStream() {
        try (CudaContext context = context()) {
            DeviceBuffer first = DeviceBuffer.allocate(context, 8);
            DeviceBuffer second = DeviceBuffer.allocate(context, 8);
            PinnedBuffer host = PinnedBuffer.allocate(context, 8);
            CudaStream stream = CudaStream.create(context, 0);
            host.memory().set(JAVA_BYTE, 3, (byte) 42);
            stream.fill(second.address(), (byte) 7, 8);
            stream.toDevice(host.memory(), first.address());
            stream.onDevice(first.address(2, 3), second.address(4, 3), 3);
            stream.toHost(second.address(), host.memory());
            stream.synchronize();
            assertThat(host.memory().get(JAVA_BYTE, 0)).isEqualTo((byte) 7);
            assertThat(host.memory().get(JAVA_BYTE, 5)).isEqualTo((byte) 42);
            assertThat(host.memory().get(JAVA_BYTE, 7)).isEqualTo((byte) 7);
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 9", "8, 1", "-1, 2", "9, 0", "9223372036854775807, 1", "1, 9223372036854775807"})
    void noCopyLeavesItsBuffer(long offset, long bytes) {
        try (CudaContext context = context()) {
            DeviceBuffer buffer = DeviceBuffer.allocate(context, 8);
            assertThatThrownBy(() -> buffer.address(offset, bytes))
                    .isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessageContaining("of a device buffer of 8 bytes");
        }
    }

    @Test
    void aLaunchCarriesItsSizesAndArguments() {
        try (CudaContext context = context();
                Arena arena = Arena.ofConfined()) {
            CudaModule module = CudaModule.load(context, new byte[64]);
            CudaStream stream = CudaStream.create(context, 0);
            KernelArguments arguments = new KernelArguments(arena);
            CudaFunction small = module.function("small", 1024);
            CudaFunction large = module.function("large", 100_000);
            stream.launch(
                    small, 5, 6, 7, 128, arguments.begin().add(1L << 40).add(-1).add(2.5f));
            stream.launch(large, 1, 1, 1, 256, arguments.begin().add(7L).add(8).add(0f));
            assertThat(fake.log())
                    .contains("cuFuncSetAttribute 8=100000")
                    .doesNotContain("8=1024")
                    .contains(
                            "cuLaunchKernel small grid 5x6x7 block 128x1x1 shared 1024 arguments 1099511627776 4294967295 2.5")
                    .contains("cuLaunchKernel large grid 1x1x1 block 256x1x1 shared 100000 arguments 7 8 0");
            assertThatThrownBy(() -> module.function("missing_kernel", 0))
                    .isInstanceOf(ExecutorException.class)
                    .hasMessage("cuModuleGetFunction of missing_kernel failed: CUDA_ERROR_NOT_FOUND (500)");
        }
    }

    @Test
    void everyFunctionPrefersSharedMemoryAndARefusalDoesNoHarm() {
        try (CudaContext context = context()) {
            CudaModule module = CudaModule.load(context, new byte[64]);
            module.function("small", 0);
            module.function("large", 100_000);
            assertThat(fake.log().lines().filter(call -> call.startsWith("cuFuncSetAttribute")))
                    .containsExactly(
                            "cuFuncSetAttribute 9=100", "cuFuncSetAttribute 8=100000", "cuFuncSetAttribute 9=100");
            fake.fail("cuFuncSetAttribute", 1, 0);
            CudaFunction refused = module.function("refused", 1024);
            assertThat(fake.log().lines().filter(call -> call.startsWith("cuFuncSetAttribute")))
                    .hasSize(4);
            CudaStream stream = CudaStream.create(context, 0);
            try (Arena arena = Arena.ofConfined()) {
                stream.launch(
                        refused, 1, 1, 1, 32, new KernelArguments(arena).begin().add(1));
            }
            assertThat(fake.log()).contains("cuLaunchKernel refused grid 1x1x1 block 32x1x1 shared 1024");
            fake.fail("cuFuncSetAttribute", 1, 0);
            assertThatThrownBy(() -> module.function("needed", 100_000))
                    .hasMessageContaining("cuFuncSetAttribute of needed failed");
        }
    }

    @Test
    void aGraphDoesWhatWasRecordedAsOftenAsItIsLaunched() {
        try (CudaContext context = context()) {
            DeviceBuffer device = DeviceBuffer.allocate(context, 4);
            PinnedBuffer host = PinnedBuffer.allocate(context, 4);
            CudaStream stream = CudaStream.create(context, 0);
            CudaGraph graph = stream.capture(() -> {
                stream.toDevice(host.memory(), device.address());
                stream.toHost(device.address(), host.memory().asSlice(0, 2));
            });
            assertThat(fake.live(FakeCuda.Kind.GRAPH)).isZero();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment seen = arena.allocate(4);
                for (byte round = 1; round < 4; round++) {
                    host.memory().fill(round);
                    graph.launch(stream);
                    stream.toHost(device.address(), seen);
                    stream.synchronize();
                    assertThat(seen.get(JAVA_BYTE, 3)).isEqualTo(round);
                }
            }
        }
    }

    @Test
    void aRecordingThatFailsLeavesTheStreamUsable() {
        try (CudaContext context = context()) {
            CudaStream stream = CudaStream.create(context, 0);
            assertThatThrownBy(() -> stream.capture(() -> {
                        throw new IllegalStateException("no");
                    }))
                    .hasMessage("no");
            fake.fail("cuGraphInstantiate", 1, 0);
            assertThatThrownBy(() -> stream.capture(() -> {})).isInstanceOf(ExecutorException.class);
            assertThat(fake.live(FakeCuda.Kind.GRAPH)).isZero();
            assertThat(fake.live(FakeCuda.Kind.GRAPH_EXEC)).isZero();
            stream.capture(() -> {}).close();
        }
    }

    @Test
    void eventsTellWhenAndStreamsWaitForThem() {
        try (CudaContext context = context()) {
            CudaStream compute = CudaStream.create(context, 0);
            CudaStream copies = CudaStream.create(context, -1);
            CudaEvent start = CudaEvent.create(context, true);
            CudaEvent end = CudaEvent.create(context, true);
            compute.record(start);
            copies.waitFor(start);
            copies.record(end);
            fake.pending(2);
            assertThat(end.isDone()).isFalse();
            assertThat(copies.isDone()).isFalse();
            assertThat(end.isDone()).isTrue();
            end.synchronize();
            assertThat(end.millisSince(start)).isEqualTo(1.5f);
            assertThat(fake.log()).containsSubsequence("cuEventRecord", "cuStreamWaitEvent", "cuEventRecord");
        }
    }

    @Test
    void tooLittleMemoryIsSaidWithBothNumbers() {
        fake.memory(1000);
        try (CudaContext context = context()) {
            DeviceBuffer.allocate(context, 600);
            assertThatThrownBy(() -> DeviceBuffer.allocate(context, 500))
                    .isInstanceOf(ExecutorException.class)
                    .hasMessage("the device has not enough memory: 500 bytes are needed, 400 are free")
                    .extracting(e -> ((ExecutorException) e).scope())
                    .isEqualTo(Scope.STEP);
            assertThat(context.freeBytes()).isEqualTo(400);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999})
    void afterAStickyErrorTheDeviceIsGone(int code) {
        assertThat(CudaErrors.scope(code)).isEqualTo(Scope.DEVICE);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 201, 209, 400, 500, 600, 701, 704, 712, 801})
    void otherErrorsCostAStep(int code) {
        assertThat(CudaErrors.scope(code)).isEqualTo(Scope.STEP);
    }

    @Test
    void anotherThreadNeedsTheContextToo() {
        try (CudaContext context = context()) {
            CompletableFuture<DeviceBuffer> without =
                    CompletableFuture.supplyAsync(() -> DeviceBuffer.allocate(context, 1), Runnable::run);
            assertThat(without).isCompleted();
            CompletableFuture<DeviceBuffer> other =
                    CompletableFuture.supplyAsync(() -> DeviceBuffer.allocate(context, 1), task -> start(task));
            assertThatThrownBy(other::join)
                    .isInstanceOf(CompletionException.class)
                    .hasMessageContaining("CUDA_ERROR_INVALID_CONTEXT");
            CompletableFuture<DeviceBuffer> with = CompletableFuture.supplyAsync(
                    () -> {
                        context.makeCurrent();
                        return DeviceBuffer.allocate(context, 1);
                    },
                    task -> start(task));
            assertThat(with.join().bytes()).isEqualTo(1);
        }
    }

    private static void start(Runnable task) {
        Thread thread = new Thread(task);
        thread.start();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cuDevicePrimaryCtxRetain",
                "cuStreamCreate",
                "cuEventCreate",
                "cuMemHostAlloc",
                "cuModuleLoadData",
                "cuStreamBeginCapture",
                "cuStreamEndCapture"
            })
    void whateverFailsIsNamedAndNothingLeaks(String function) {
        fake.fail(function, 1, 0);
        assertThatThrownBy(() -> {
                    try (CudaContext context = context()) {
                        CudaStream stream = CudaStream.create(context, 0);
                        CudaEvent.create(context, false);
                        PinnedBuffer.allocate(context, 1);
                        CudaModule.load(context, new byte[64]);
                        stream.capture(() -> {});
                    }
                })
                .isInstanceOf(ExecutorException.class)
                .hasMessageContaining(function)
                .hasMessageContaining("CUDA_ERROR_INVALID_VALUE (1)");
        assertThat(fake.live()).isZero();
    }
}
