package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Every kernel compiles for every architecture, or for those that its file names, keeps its values in registers, and uses no
 * more of a multiprocessor than {@code kernel-table.csv} says. The measured table is left in {@code target/kernel-table.csv}:
 * after a deliberate change it becomes the new one.
 */
class KernelCompileTest {

    private static final Path KERNELS = Path.of("src/main/cuda/kernels");
    private static final Path TABLE = Path.of("src/test/resources/cuda/kernel-table.csv");
    private static final Path MEASURED = Path.of("target/kernel-table.csv");
    private static final List<String> ARCHITECTURES = List.of("sm_80", "sm_90a", "sm_100a");
    private static final Pattern FOR_SOME = Pattern.compile("(?m)^// architectures: (.+)$"); // in a kernel file
    private static final String MISSING = "Kernels are not compiled: there is no nvcc on the PATH.";
    private static final String HEADER = "kernel,arch,registers,shared bytes";
    private static final int OTHER_COMPILERS = 8; // registers: what another version of the compiler may differ by
    private static final Pattern ENTRY = Pattern.compile("Compiling entry function '(\\w+)' for '(\\w+)'"
            + "[\\s\\S]*?(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill loads"
            + "[\\s\\S]*?Used (\\d+) registers(?:.*?(\\d+) bytes smem)?");

    private record Usage(int registers, int sharedBytes) {}

    private record Compilation(Path source, String architecture) {

        String name() {
            return source.getFileName().toString().replace(".cu", "." + architecture);
        }
    }

    @Test
    void kernelsCompileWithinTheirBounds() throws IOException {
        List<String> known =
                run(List.of("nvcc", "--list-gpu-code"), true).lines().toList();
        if (known.isEmpty()) {
            System.out.println(MISSING);
        }
        assumeTrue(!known.isEmpty(), MISSING);
        List<String> architectures = ARCHITECTURES.stream()
                .filter(a -> known.contains(a.replace("a", "")))
                .toList();
        assertThat(architectures).as("architectures that this nvcc knows").isNotEmpty();
        Files.createDirectories(Path.of("target/cubin"));
        List<Compilation> compilations = new ArrayList<>();
        try (Stream<Path> files = Files.list(KERNELS)) {
            for (Path file : files.sorted().toList()) {
                Matcher some = FOR_SOME.matcher(Files.readString(file));
                List<String> wanted = some.find() ? List.of(some.group(1).split(" ")) : ARCHITECTURES;
                assertThat(ARCHITECTURES).as("architectures of %s", file).containsAll(wanted);
                architectures.stream()
                        .filter(wanted::contains)
                        .forEach(a -> compilations.add(new Compilation(file, a)));
            }
        }
        Map<String, Usage> measured = new TreeMap<>();
        List<String> spilling = new ArrayList<>();
        compilations.parallelStream().map(KernelCompileTest::compile).toList().forEach(output -> {
            for (Matcher m = ENTRY.matcher(output); m.find(); ) {
                String kernel = m.group(1) + "," + m.group(2);
                int shared = m.group(7) == null ? 0 : Integer.parseInt(m.group(7));
                measured.put(kernel, new Usage(Integer.parseInt(m.group(6)), shared));
                if (!(m.group(3) + m.group(4) + m.group(5)).equals("000")) {
                    spilling.add(kernel);
                }
            }
        });
        List<String> lines = new ArrayList<>(List.of(HEADER));
        measured.forEach((kernel, usage) -> lines.add(kernel + "," + usage.registers + "," + usage.sharedBytes));
        Files.write(MEASURED, lines);
        print(architectures, measured);
        assertThat(spilling).as("kernels with local memory").isEmpty();
        compare(architectures, measured);
    }

    private static String compile(Compilation compilation) {
        return run(
                List.of(
                        "nvcc",
                        "-cubin",
                        "-std=c++17",
                        "-O3",
                        "-Werror",
                        "all-warnings",
                        "-Xptxas",
                        "-v",
                        "-arch=" + compilation.architecture,
                        "-Isrc/main/cuda/include",
                        "-o",
                        "target/cubin/" + compilation.name() + ".cubin",
                        compilation.source.toString()),
                false);
    }

    /** What a command prints; nothing if there is no such command and that may be. */
    private static String run(List<String> command, boolean mayBeMissing) {
        try {
            Process process =
                    new ProcessBuilder(command).redirectErrorStream(true).start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor()).as("%s%n%s", command, output).isZero();
            return output;
        } catch (IOException e) {
            if (mayBeMissing) {
                return "";
            }
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static void print(List<String> architectures, Map<String, Usage> measured) {
        StringBuilder table = new StringBuilder(
                String.format("%nregisters (static shared bytes)   %s%n", String.join("  ", architectures)));
        measured.keySet().stream()
                .map(kernel -> kernel.split(",")[0])
                .distinct()
                .forEach(kernel -> {
                    table.append(String.format("%-34s", kernel));
                    for (String architecture : architectures) {
                        Usage usage = measured.get(kernel + "," + architecture);
                        table.append(
                                usage == null
                                        ? "  -"
                                        : String.format("  %3d (%d)", usage.registers, usage.sharedBytes));
                    }
                    table.append(System.lineSeparator());
                });
        System.out.println(table);
    }

    private static void compare(List<String> architectures, Map<String, Usage> measured) throws IOException {
        Map<String, Usage> expected = new TreeMap<>();
        for (String line : Files.readAllLines(TABLE)) {
            String[] fields = line.split(",");
            if (architectures.contains(fields[1])) {
                expected.put(
                        fields[0] + "," + fields[1],
                        new Usage(Integer.parseInt(fields[2]), Integer.parseInt(fields[3])));
            }
        }
        assertThat(measured.keySet()).as("kernels of %s", TABLE).isEqualTo(expected.keySet());
        measured.forEach((kernel, usage) -> {
            assertThat(usage.registers)
                    .as("registers of %s", kernel)
                    .isBetween(
                            expected.get(kernel).registers - OTHER_COMPILERS,
                            expected.get(kernel).registers + OTHER_COMPILERS);
            assertThat(usage.sharedBytes).as("shared bytes of %s", kernel).isEqualTo(expected.get(kernel).sharedBytes);
        });
    }
}
