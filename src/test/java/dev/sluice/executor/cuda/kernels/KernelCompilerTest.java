package dev.sluice.executor.cuda.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.cuda.FakeNvrtc;
import dev.sluice.executor.cuda.driver.CudaDevice;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.runtime.SystemClock;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What NVRTC is given and what becomes of its answers; runs where there is a C compiler. */
class KernelCompilerTest {

    private static final int DRIVER = 13000;

    @TempDir
    Path directory;

    private FakeNvrtc fake;
    private Nvrtc nvrtc;

    @BeforeEach
    void loadTheFakeCompiler() {
        FakeNvrtc fresh = FakeNvrtc.fresh();
        assumeTrue(fresh != null, FakeNvrtc.MISSING);
        fake = fresh;
        nvrtc = opened();
    }

    private static Nvrtc opened() {
        return Objects.requireNonNull(Nvrtc.open(FakeNvrtc.libraries()));
    }

    private KernelCompiler compiler(String architecture, int driver) {
        return new KernelCompiler(opened(), new KernelCache(directory), architecture, driver, new SystemClock());
    }

    private List<Path> entries() throws IOException {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.toList();
        }
    }

    private static String text(byte[] image) {
        return new String(image, StandardCharsets.UTF_8);
    }

    @Test
    void aProgramIsMadeCompiledReadAndDestroyedInThisOrder() {
        String headers = String.join(" ", KernelSource.read("embed").headers().keySet());
        assertThat(headers).contains("types.cuh");
        byte[] image = compiler("sm_80", DRIVER).image("embed");
        assertThat(text(image)).startsWith("cubin of embed.cu --gpu-architecture=sm_80 --std=c++17 ");
        assertThat(fake.log().stream().filter(call -> !call.equals("nvrtcVersion")))
                .containsExactly(
                        "nvrtcCreateProgram embed.cu " + headers,
                        "nvrtcCompileProgram --gpu-architecture=sm_80 --std=c++17",
                        "nvrtcGetCUBINSize",
                        "nvrtcGetCUBIN",
                        "nvrtcDestroyProgram");
        assertThat(fake.live()).isZero();
    }

    @Test
    void headersOfHeadersTravelTooAndThoseOfTheEmulationDoNot() {
        KernelSource source = KernelSource.read("quantise_int8");
        assertThat(source.headers().keySet())
                .contains("quantise.cuh", "normalize.cuh", "types.cuh")
                .doesNotContain("emulated_gpu.h");
        assertThat(source.text()).doesNotContain("types.cuh");
        assertThat(source.headers().get("types.cuh")).contains("#include \"emulated_gpu.h\"");
        assertThatThrownBy(() -> KernelSource.read("no_such")).hasMessage("this jar has no kernel file no_such.cu");
    }

    @ParameterizedTest
    @CsvSource({
        "8, 0, sm_80",
        "8, 6, sm_86",
        "8, 9, sm_89",
        "9, 0, sm_90a",
        "10, 0, sm_100a",
        "10, 3, sm_103",
        "12, 0, sm_120",
        "12, 1, sm_121"
    })
    void everyDeviceHasItsArchitecture(int major, int minor, String architecture) {
        CudaDevice device = new CudaDevice(0, "GPU", major, minor, 1, 1, 1, 1);
        assertThat(device.architecture()).isEqualTo(architecture);
        compiler(device.architecture(), DRIVER).image("embed");
        assertThat(fake.log()).contains("nvrtcCompileProgram --gpu-architecture=" + architecture + " --std=c++17");
    }

    @Test
    void whatDoesNotCompileIsSaidWithTheCompilersOwnWords() {
        fake.fail("nvrtcCompileProgram", 6);
        assertThatThrownBy(() -> compiler("sm_80", DRIVER).image("embed"))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessage("NVRTC 99.5 cannot compile embed.cu with --gpu-architecture=sm_80 --std=c++17: "
                        + "NVRTC_ERROR_COMPILATION (6)\nembed.cu(3): error: identifier \"nonsense\" is undefined");
        assertThat(fake.live()).isZero();
        assertThat(directory).isEmptyDirectory();
        assertThat(compiler("sm_80", DRIVER).image("embed")).isNotEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"nvrtcCreateProgram", "nvrtcGetCUBINSize", "nvrtcGetCUBIN"})
    void everyCallIsCheckedAndItsProgramDestroyed(String call) {
        fake.fail(call, 3);
        assertThatThrownBy(() -> compiler("sm_80", DRIVER).image("embed"))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessage(call + " failed: NVRTC_ERROR_INVALID_INPUT (3)");
        assertThat(fake.live()).isZero();
        assertThat(directory).isEmptyDirectory();
    }

    @ParameterizedTest
    @ValueSource(strings = {"nvrtcGetProgramLogSize", "nvrtcGetProgramLog"})
    void aLogThatCannotBeReadIsAnErrorToo(String call) {
        fake.fail("nvrtcCompileProgram", 6);
        fake.fail(call, 4);
        assertThatThrownBy(() -> nvrtc.compile(KernelSource.read("embed"), List.of()))
                .hasMessage(call + " failed: NVRTC_ERROR_INVALID_PROGRAM (4)");
        assertThat(fake.live()).isZero();
    }

    @Test
    void theSecondStartCompilesNothing() {
        KernelCompiler first = compiler("sm_90a", DRIVER);
        byte[] image = first.image("embed");
        assertThat(first.describe())
                .matches("1 compiled for sm_90a by NVRTC 99\\.5 in \\d+\\.\\d s, 0 compiled before");
        KernelCompiler second = compiler("sm_90a", DRIVER);
        assertThat(second.image("embed")).isEqualTo(image);
        assertThat(second.describe()).isEqualTo("0 compiled for sm_90a by NVRTC 99.5 in 0.0 s, 1 compiled before");
        assertThat(fake.compilations()).isEqualTo(1);
    }

    @Test
    void whateverTheImageDependsOnIsPartOfItsKey() {
        compiler("sm_80", DRIVER).image("embed");
        compiler("sm_86", DRIVER).image("embed");
        compiler("sm_80", DRIVER + 10).image("embed");
        compiler("sm_80", DRIVER).image("silu_mul");
        fake.minor(6);
        compiler("sm_80", DRIVER).image("embed");
        assertThat(fake.compilations()).isEqualTo(5);
        assertThat(KernelCache.key(List.of("a", "bc"))).isNotEqualTo(KernelCache.key(List.of("ab", "c")));
    }

    @Test
    void sourceAndHeadersArePartOfTheKey() {
        KernelSource source = KernelSource.read("embed");
        KernelCompiler compiler = compiler("sm_80", DRIVER);
        List<String> keys = List.of(
                compiler.key(source),
                compiler.key(new KernelSource(source.name(), source.text() + " ", source.headers())),
                compiler.key(new KernelSource(source.name(), source.text(), new TreeMap<>())),
                compiler.key(new KernelSource(source.name(), source.text(), new TreeMap<>(Map.of("types.cuh", "")))),
                compiler.key(new KernelSource("k.cu", source.text(), source.headers())));
        assertThat(keys).doesNotHaveDuplicates();
    }

    @Test
    void startsAtTheSameTimeDoNotDisturbEachOther() throws Exception {
        List<String> files = List.of("embed", "silu_mul", "rms_norm");
        Map<String, byte[]> expected = new TreeMap<>();
        files.forEach(file -> expected.put(file, compiler("sm_80", DRIVER).image(file)));
        Callable<Void> start = () -> {
            KernelCompiler compiler = compiler("sm_80", DRIVER);
            files.forEach(file -> assertThat(compiler.image(file)).as(file).isEqualTo(expected.get(file)));
            return null;
        };
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            for (int round = 0; round < 20; round++) {
                for (Path entry : entries()) {
                    Files.delete(entry);
                }
                for (Future<Void> started : threads.invokeAll(Collections.nCopies(4, start))) {
                    started.get();
                }
                assertThat(entries()).as("entries, and nothing half-made").hasSize(files.size());
            }
        }
        assertThat(fake.live()).isZero();
    }
}
