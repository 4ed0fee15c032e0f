package dev.sluice.executor.cuda.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.SystemClock;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every kernel file compiles with the host's own NVRTC and the headers of the jar alone, and has the kernels that
 * {@code kernel-table.csv} says.
 */
class RealNvrtcTest {

    private static final String MISSING = "Kernels were not compiled at run time: there is no libnvrtc.";
    private static final Path KERNELS = Path.of("src/main/cuda/kernels");
    private static final Path TABLE = Path.of("src/test/resources/cuda/kernel-table.csv");
    private static final @Nullable Nvrtc NVRTC = Nvrtc.open(Nvrtc.LIBRARIES);

    private Nvrtc nvrtc;

    @BeforeEach
    void requireTheCompiler() {
        if (NVRTC == null) {
            System.out.println(MISSING);
        }
        assumeTrue(NVRTC != null, MISSING);
        nvrtc = NVRTC;
    }

    @ParameterizedTest
    @ValueSource(strings = {"sm_80", "sm_90a"})
    void everyKernelFileCompilesWithTheHeadersOfTheJar(String architecture) throws IOException {
        Clock clock = new SystemClock();
        KernelCompiler compiler = new KernelCompiler(nvrtc, new KernelCache(null), architecture, 0, clock);
        StringBuilder machineCode = new StringBuilder();
        for (String file : files(architecture)) {
            long start = clock.monotonicNanos();
            byte[] image = compiler.image(file);
            System.out.printf(
                    "NVRTC %s: %-24s %-7s %7d bytes %5d ms%n",
                    nvrtc.version(), file, architecture, image.length, (clock.monotonicNanos() - start) / 1_000_000);
            assertThat(image).as(file).startsWith(0x7f, 'E', 'L', 'F');
            machineCode.append(new String(image, StandardCharsets.ISO_8859_1));
        }
        List<String> kernels = Files.readAllLines(TABLE).stream()
                .map(line -> line.split(","))
                .filter(fields -> fields[1].equals(architecture))
                .map(fields -> fields[0])
                .toList();
        assertThat(kernels).isNotEmpty();
        String all = machineCode.toString();
        assertThat(kernels)
                .allSatisfy(kernel -> assertThat(all.contains("\0.text." + kernel + "\0"))
                        .as(kernel)
                        .isTrue());
    }

    /** A file that is for some architectures only says so in its first lines. */
    private static List<String> files(String architecture) throws IOException {
        try (Stream<Path> files = Files.list(KERNELS)) {
            return files.map(file -> file.getFileName().toString().replace(".cu", ""))
                    .filter(file -> KernelSource.read(file)
                            .text()
                            .lines()
                            .filter(line -> line.startsWith("// architectures:"))
                            .allMatch(line -> line.contains(architecture)))
                    .sorted()
                    .toList();
        }
    }

    @Test
    void aMistakeIsReportedWithFileAndLineAndNotForEver() {
        String mistakes = "\nint f() { return nonsense; }".repeat(500);
        KernelSource source = new KernelSource("wrong.cu", mistakes, new TreeMap<>());
        assertThatThrownBy(() -> nvrtc.compile(source, List.of("--gpu-architecture=sm_80")))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessageContaining("NVRTC_ERROR_COMPILATION (6)")
                .hasMessageContaining("wrong.cu(2): error: identifier \"nonsense\" is undefined")
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(5000));
    }

    @Test
    void aMissingHeaderAndAnUnknownArchitectureAreErrors() {
        KernelSource lost = new KernelSource("lost.cu", "#include \"types.cuh\"", new TreeMap<>());
        assertThatThrownBy(() -> nvrtc.compile(lost, List.of())).hasMessageContaining("types.cuh");
        assertThatThrownBy(() -> nvrtc.compile(KernelSource.read("embed"), List.of("--gpu-architecture=sm_999")))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessageContaining("sm_999");
    }
}
