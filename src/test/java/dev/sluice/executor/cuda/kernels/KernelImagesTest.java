package dev.sluice.executor.cuda.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.FakeCuda;
import dev.sluice.executor.cuda.FakeNvrtc;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaDriver;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which kernels a start uses: on the fake driver, with the fake compiler. */
class KernelImagesTest {

    private static final Function<String, byte @Nullable []> PACKED = file -> new byte[64];
    private static final Function<String, byte @Nullable []> NOTHING = file -> null;
    private static final List<String> NO_COMPILER = List.of("libno-such-nvrtc.so", "libno-such-nvrtc.so.13");

    @TempDir
    Path directory;

    private FakeCuda cuda;
    private FakeNvrtc nvrtc;
    private CudaContext context;

    @BeforeEach
    void loadTheFakes() {
        FakeCuda freshCuda = FakeCuda.fresh();
        FakeNvrtc freshNvrtc = FakeNvrtc.fresh();
        assumeTrue(freshCuda != null && freshNvrtc != null, FakeNvrtc.MISSING);
        cuda = freshCuda;
        nvrtc = freshNvrtc;
        CudaDriver driver = CudaDriver.open(FakeCuda.library());
        context = new CudaContext(driver, driver.device(0));
    }

    @AfterEach
    void everythingIsGivenBack() {
        if (context != null) {
            context.close();
            assertThat(cuda.live()).isZero();
            assertThat(nvrtc.live()).isZero();
        }
    }

    private KernelImages images(Function<String, byte @Nullable []> packed, List<String> libraries) {
        return new KernelImages(packed, libraries, directory);
    }

    @Test
    void whatTheJarHasNeedsNoCompiler() {
        KernelImages images = images(PACKED, NO_COMPILER);
        images.load(context, "embed");
        images.load(context, "silu_mul");
        assertThat(images.describe()).isEqualTo("2 files from the jar");
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void aJarWithoutCompiledKernelsCompilesThemOnce() {
        KernelImages images = images(NOTHING, FakeNvrtc.libraries());
        images.load(context, "embed");
        images.load(context, "silu_mul");
        assertThat(images.describe())
                .matches(
                        "0 files from the jar, 2 compiled for sm_90a by NVRTC 99\\.5 in \\d+\\.\\d s, 0 compiled before");
        KernelImages next = images(NOTHING, FakeNvrtc.libraries());
        next.load(context, "embed");
        assertThat(next.describe()).endsWith("0 compiled for sm_90a by NVRTC 99.5 in 0.0 s, 1 compiled before");
        assertThat(nvrtc.compilations()).isEqualTo(2);
        assertThat(cuda.live(FakeCuda.Kind.MODULE)).isEqualTo(3);
    }

    @ParameterizedTest
    @ValueSource(ints = {200, 209, 218, 221, 222, 223})
    void aFileThatTheDriverCannotUseIsCompiledAlone(int code) {
        KernelImages images = images(PACKED, FakeNvrtc.libraries());
        images.load(context, "embed");
        cuda.fail("cuModuleLoadData", code, 0);
        images.load(context, "gemm_fp8");
        images.load(context, "silu_mul");
        assertThat(images.describe()).startsWith("2 files from the jar, 1 compiled for sm_90a");
        assertThat(nvrtc.log()).anyMatch(call -> call.startsWith("nvrtcCreateProgram gemm_fp8.cu"));
    }

    @Test
    void anotherFailureOfTheDriverIsNotHidden() {
        KernelImages images = images(PACKED, FakeNvrtc.libraries());
        cuda.fail("cuModuleLoadData", 2, 0);
        assertThatThrownBy(() -> images.load(context, "embed"))
                .isInstanceOf(ExecutorException.class)
                .hasMessage("cuModuleLoadData failed: CUDA_ERROR_OUT_OF_MEMORY (2)");
        assertThat(nvrtc.compilations()).isZero();
        KernelImages compiling = images(NOTHING, FakeNvrtc.libraries());
        cuda.fail("cuModuleLoadData", 209, 0);
        assertThatThrownBy(() -> compiling.load(context, "embed")).isInstanceOf(ExecutorException.class);
    }

    @Test
    void withoutEitherOneSentenceNamesBoth() {
        assertThatThrownBy(() -> images(NOTHING, NO_COMPILER).load(context, "embed"))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessage("there is no kernel embed for Fake 0 (sm_90a): this jar was built without nvcc and has no"
                        + " compiled kernels, and this host has no NVRTC to compile it"
                        + " (tried libno-such-nvrtc.so, libno-such-nvrtc.so.13)");
        cuda.fail("cuModuleLoadData", 209, 0);
        assertThatThrownBy(() -> images(PACKED, NO_COMPILER).load(context, "gemm_fp8"))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessage("there is no kernel gemm_fp8 for Fake 0 (sm_90a): what this jar has of it is not for this"
                        + " device and driver, and this host has no NVRTC to compile it"
                        + " (tried libno-such-nvrtc.so, libno-such-nvrtc.so.13)");
    }

    @Test
    void aDirectoryOfTheCacheThatCannotBeMadeDoesNotStopTheStart() {
        KernelImages images = new KernelImages(NOTHING, FakeNvrtc.libraries(), Path.of("/dev/null/kernels"));
        images.load(context, "embed");
        images.load(context, "silu_mul");
        assertThat(nvrtc.compilations()).isEqualTo(2);
    }
}
