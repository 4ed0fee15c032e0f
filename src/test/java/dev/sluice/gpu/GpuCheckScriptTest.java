package dev.sluice.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code src/test/gpu/check.sh} on a host whose Java is a stand-in: what a test class or a benchmark does there, is said here in
 * the words of the shell.
 */
class GpuCheckScriptTest {

    private static final Path SCRIPTS = Path.of("src/test/gpu");
    private static final Path SHELL = Path.of("/bin/sh");
    private static final long SECONDS_MAX = 60;
    private static final List<String> TEST_CLASSES = List.of(
            "EmulatedWgmmaTest",
            "EmulatedGemmTest",
            "EmulatedAttentionTest",
            "EmulatedKernelTest",
            "EmulatedSamplingTest",
            "CudaGoldenTest",
            "CudaExecutorContractTest$WithFullAttention",
            "CudaExecutorContractTest$InInt8",
            "CudaExecutorContractTest$OnTinyModel");
    private static final String JAVA = """
            #!/bin/sh
            for word in "$@"; do
              file=stand-ins/${word##*.}
              [ -f "$file" ] && . "$file"
            done
            echo "nobody stands in for $*"
            exit 64
            """;

    private static final String SHOWS_A_GPU = "echo 'GPU: one of paper'; exit 0";
    private static final String PASSES = junit(3, 0) + "exit 0";
    private static final String FAILS = junit(2, 1) + "exit 1";
    private static final String HANGS = "sleep 600 & echo $$ $! > hanging; wait; exit 0";
    private static final String CRASHES = "kill -s SEGV $$; sleep 600";
    private static final String HALTS = "exit 1";
    private static final String FINDS_NOTHING_TO_DO = junit(0, 0) + "exit 0";

    @TempDir
    Path host;

    private Process script;

    private static String junit(int successful, int failed) {
        return """
                echo '[         4 tests found           ]'
                echo '[         %d tests successful      ]'
                echo '[         %d tests failed          ]'
                """.formatted(successful, failed);
    }

    @BeforeEach
    void aHost() throws IOException {
        assumeTrue(Files.isExecutable(SHELL) && Files.isDirectory(Path.of("/proc/self")), "no POSIX shell on a Linux");
        try (Stream<Path> files = Files.list(SCRIPTS)) {
            for (Path file : files.toList()) {
                Files.copy(file, host.resolve(file.getFileName()));
            }
        }
        Path java = host.resolve("runtime/bin/java");
        Files.createDirectories(java.getParent());
        Files.writeString(java, JAVA);
        assertThat(java.toFile().setExecutable(true)).isTrue();
        Path classes = Files.createDirectories(host.resolve("target/test-classes/dev/sluice/somewhere"));
        Files.createDirectories(host.resolve("stand-ins"));
        for (String name : TEST_CLASSES) {
            Files.createFile(classes.resolve(name + ".class"));
            does(name, PASSES);
        }
        does("ShowGpu", SHOWS_A_GPU);
    }

    @AfterEach
    void nothingIsLeft() throws IOException {
        if (script == null) {
            return;
        }
        script.destroyForcibly();
        try (Stream<Path> left = Files.list(host.resolve("temporary"))) {
            assertThat(left).as("temporary files").isEmpty();
        }
        if (Files.exists(host.resolve("hanging"))) {
            for (String process : Files.readString(host.resolve("hanging")).split("\\s+")) {
                assertThat(isRunning(process)).as("process " + process).isFalse();
            }
        }
    }

    /** A process that is dead but that nobody has asked about is not running. */
    private static boolean isRunning(String process) throws IOException {
        Path status = Path.of("/proc", process, "status");
        return Files.exists(status)
                && Files.readAllLines(status).stream().noneMatch(line -> line.matches("State:\\s+[ZX].*"));
    }

    private void does(String name, String commands) throws IOException {
        Files.writeString(host.resolve("stand-ins").resolve(name), commands);
    }

    private Process start(List<String> environment, String... arguments) throws IOException {
        List<String> command =
                new ArrayList<>(List.of("sh", host.resolve("check.sh").toString()));
        command.addAll(List.of("--results", host.resolve("results").toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(host.resolve("output").toFile());
        builder.environment()
                .put(
                        "TMPDIR",
                        Files.createDirectories(host.resolve("temporary")).toString());
        builder.environment().put("SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY", "named");
        for (String variable : environment) {
            int sign = variable.indexOf('=');
            builder.environment().put(variable.substring(0, sign), variable.substring(sign + 1));
        }
        script = builder.start();
        return script;
    }

    /** Runs the script; returns its exit code. */
    private int check(List<String> environment, String... arguments) throws Exception {
        start(environment, arguments);
        assertThat(script.waitFor(SECONDS_MAX, TimeUnit.SECONDS)).as("it ends").isTrue();
        return script.exitValue();
    }

    /** The lines of the parts, without blanks that only align them and without seconds. */
    private List<String> parts() throws IOException {
        List<String> lines = Files.readAllLines(host.resolve("results/summary.txt"));
        return lines.stream()
                .filter(line -> line.matches("\\w+ +\\|.*"))
                .map(line -> line.replaceAll("\\| +\\d+ s \\|", "|")
                        .replaceAll(" +", " ")
                        .strip())
                .toList();
    }

    /** The line of a program. */
    private String program(String name) throws IOException {
        return Files.readAllLines(host.resolve("results/summary.txt")).stream()
                .filter(line -> line.startsWith("  " + name + " "))
                .map(line -> line.replaceFirst("^(.*\\S) +\\d+ s  ", "$1 ")
                        .replaceAll(" +", " ")
                        .strip())
                .findFirst()
                .orElseThrow();
    }

    private List<String> archived() throws Exception {
        Process tar = new ProcessBuilder(
                        "tar", "-tzf", host.resolve("results/results.tar.gz").toString())
                .start();
        List<String> names =
                tar.inputReader().lines().filter(name -> !name.endsWith("/")).toList();
        assertThat(tar.waitFor()).isZero();
        return names;
    }

    @Test
    void whatHangsCrashesHaltsOrFailsCostsOnlyItself() throws Exception {
        does("EmulatedWgmmaTest", HANGS);
        does("EmulatedGemmTest", CRASHES);
        does("EmulatedAttentionTest", HALTS);
        does("EmulatedKernelTest", FAILS);
        assertThat(check(List.of("KERNELS_LIMITS=60 1"), "kernels", "golden")).isEqualTo(1);
        assertThat(program("EmulatedWgmmaTest")).isEqualTo("EmulatedWgmmaTest killed after 1 s no count of tests");
        assertThat(program("EmulatedGemmTest")).isEqualTo("EmulatedGemmTest crashed (signal 11) no count of tests");
        assertThat(program("EmulatedAttentionTest"))
                .isEqualTo("EmulatedAttentionTest crashed (exit 1) no count of tests");
        assertThat(program("EmulatedKernelTest"))
                .isEqualTo("EmulatedKernelTest FAILED (exit 1) 3 tests, 1 failed, 1 skipped");
        assertThat(program("EmulatedSamplingTest"))
                .isEqualTo("EmulatedSamplingTest passed 3 tests, 0 failed, 1 skipped");
        assertThat(parts())
                .containsExactly(
                        "kernels | killed after 1 s | 1 of 5 passed; 6 tests, 1 failed, 2 skipped",
                        "golden | passed | 3 tests, 0 failed, 1 skipped");
        assertThat(archived())
                .contains("logs/kernels/EmulatedWgmmaTest.txt", "logs/golden/CudaGoldenTest.txt", "parts/kernels.line");
        try (Stream<Path> results = Files.list(host.resolve("results"))) {
            assertThat(results.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("summary.txt", "results.tar.gz");
        }
    }

    @Test
    void allThatPassesEndsWithZeroAndTheSummaryIsPrintedLast() throws Exception {
        assertThat(check(List.of(), "golden", "contract")).isZero();
        assertThat(parts())
                .containsExactly(
                        "golden | passed | 3 tests, 0 failed, 1 skipped",
                        "contract | passed | 2 of 2 passed; 6 tests, 0 failed, 2 skipped");
        assertThat(Files.readString(host.resolve("output")))
                .endsWith(Files.readString(host.resolve("results/summary.txt")));
        assertThat(Files.readString(host.resolve("results/summary.txt"))).startsWith("GPU: one of paper\n");
        assertThat(program("CudaExecutorContractTest.WithFullAttention")).contains("passed");
    }

    @Test
    void aLaterRunAddsItsPartsAndReplacesThoseThatItRepeats() throws Exception {
        does("CudaGoldenTest", FAILS);
        assertThat(check(List.of(), "golden", "kernels")).isEqualTo(1);
        does("CudaGoldenTest", PASSES);
        assertThat(check(List.of(), "contract", "golden")).isZero();
        assertThat(parts())
                .satisfiesExactly(
                        kernels -> assertThat(kernels).startsWith("kernels | passed | 5 of 5 passed"),
                        contract -> assertThat(contract).startsWith("contract | passed"),
                        golden -> assertThat(golden).startsWith("golden | passed"));
        assertThat(archived())
                .contains(
                        "logs/kernels/EmulatedGemmTest.txt",
                        "logs/contract/CudaExecutorContractTest.WithFullAttention.txt");
    }

    @Test
    void withoutAGpuEveryPartIsSkippedAndItEndsWithThree() throws Exception {
        does("ShowGpu", "echo 'No GPU: no driver'; exit 3");
        assertThat(check(List.of())).isEqualTo(3);
        String[] all = "kernels golden bench contract executor quantise server baseline sanitize ncu".split(" ");
        assertThat(parts())
                .containsExactlyElementsOf(Arrays.stream(all)
                        .map(part -> part + " | skipped: no GPU |")
                        .toList());
        assertThat(Files.readString(host.resolve("results/summary.txt"))).startsWith("No GPU: no driver\n");
        assertThat(archived()).contains("parts/ncu.line");
    }

    @Test
    void aDriverThatCannotBeAskedIsNotAMissingOne() throws Exception {
        does("ShowGpu", CRASHES);
        assertThat(check(List.of(), "golden")).isEqualTo(1);
        assertThat(parts()).containsExactly("golden | skipped: the driver could not be asked: crashed (signal 11) |");
    }

    @Test
    void aPartWhoseTimeIsOverRunsNoMorePrograms() throws Exception {
        does("EmulatedWgmmaTest", HANGS);
        assertThat(check(List.of("KERNELS_LIMITS=1 60"), "kernels", "golden")).isEqualTo(1);
        assertThat(program("EmulatedWgmmaTest")).contains("killed after 1 s");
        assertThat(program("EmulatedGemmTest")).contains("not run: the part's time was over");
        assertThat(parts()).last().asString().startsWith("golden | passed");
    }

    @Test
    void aClassOfWhichNoTestRanHasNotPassed() throws Exception {
        does("CudaGoldenTest", FINDS_NOTHING_TO_DO);
        assertThat(check(List.of(), "golden")).isEqualTo(1);
        assertThat(parts()).containsExactly("golden | FAILED (no test ran) | 0 tests, 0 failed, 4 skipped");
    }

    @Test
    void aCrashOfTheJavaMachineIsToldByItsSignal() throws Exception {
        does("CudaGoldenTest", """
                echo '# A fatal error has been detected by the Java Runtime Environment:'
                echo '#  SIGSEGV (0xb) at pc=0x0, pid=1, tid=2'
                exit 1
                """);
        assertThat(check(List.of(), "golden")).isEqualTo(1);
        assertThat(parts()).containsExactly("golden | crashed (SIGSEGV) | 0 tests, 0 failed, 0 skipped");
    }

    @Test
    void whenItIsEndedTheSummaryIsThereAndNothingRuns() throws Exception {
        does("CudaGoldenTest", HANGS);
        start(List.of(), "contract", "golden", "kernels");
        while (!Files.exists(host.resolve("hanging"))) {
            assertThat(script.isAlive()).isTrue();
            Thread.onSpinWait();
        }
        script.destroy();
        assertThat(script.waitFor(SECONDS_MAX, TimeUnit.SECONDS)).isTrue();
        assertThat(script.exitValue()).isEqualTo(1);
        assertThat(parts())
                .satisfiesExactly(
                        contract -> assertThat(contract).startsWith("contract | passed"),
                        golden -> assertThat(golden).startsWith("golden | interrupted"));
        assertThat(archived()).contains("logs/golden/CudaGoldenTest.txt");
    }

    /** It has no process group until {@code timeout} runs, and on a busy host the clients may be faster. */
    @Test
    void aServerThatHasNotBegunYetHasNotEnded() throws Exception {
        String path = System.getenv("PATH");
        Path slow = Files.createDirectories(host.resolve("slow"));
        for (String program : List.of("timeout", "sed")) {
            Path file = slow.resolve(program);
            Files.writeString(file, """
                    #!/bin/sh
                    PATH=%s
                    case "%s $*" in sed*|*SluiceApplication*) sleep 0.4 ;; esac
                    exec %s "$@"
                    """.formatted(path, program, program));
            assertThat(file.toFile().setExecutable(true)).isTrue();
        }
        does("SluiceApplication", HANGS);
        does("ServingBenchmark", "while [ ! -f hanging ]; do :; done; sleep 1; exit 0");
        assertThat(check(List.of("CHECK_PORT=4", "PATH=" + slow + ":" + path), "server"))
                .isZero();
    }

    @Test
    void theServerIsEndedWhenItsClientsHave() throws Exception {
        does("SluiceApplication", HANGS);
        does("ServingBenchmark", "while [ ! -f hanging ]; do :; done; echo 'at 5 output tokens/s'; exit 0");
        assertThat(check(List.of("CHECK_PORT=4"), "server")).isZero();
        assertThat(parts()).containsExactly("server | passed | at 5 output tokens/s");
        assertThat(archived()).contains("logs/server/server.txt");
    }

    @Test
    void clientsOfAServerThatHasEndedDoNotWait() throws Exception {
        does("SluiceApplication", "echo 'no memory'; exit 1");
        does("ServingBenchmark", HANGS);
        assertThat(check(List.of("CHECK_PORT=4"), "server")).isEqualTo(1);
        assertThat(parts()).containsExactly("server | FAILED (the server ended) |");
        assertThat(Files.readString(host.resolve("results/summary.txt"))).contains("> no memory");
    }

    @Test
    void cublasLtIsFoundInAWheel() throws Exception {
        Path wheel = host.resolve("venv/lib/python3.12/site-packages/nvidia/cu13/lib");
        Files.createDirectories(wheel);
        Path library = Files.createFile(wheel.resolve("libcublasLt.so.13"));
        Files.createFile(wheel.resolve("libcublasLt.so.12"));
        does("CudaGoldenTest", "[ \"$SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY\" = " + library + " ] && " + PASSES);
        assertThat(check(
                        List.of("SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY=", "VIRTUAL_ENV=" + host.resolve("venv")),
                        "golden"))
                .isZero();
        assertThat(Files.readString(host.resolve("results/summary.txt"))).contains("cuBLASLt: " + library + "\n");
    }

    @Test
    void anUnknownPartIsRefusedBeforeAnythingRuns() throws Exception {
        assertThat(check(List.of(), "golden", "goldne")).isEqualTo(2);
        assertThat(Files.exists(host.resolve("results"))).isFalse();
    }
}
