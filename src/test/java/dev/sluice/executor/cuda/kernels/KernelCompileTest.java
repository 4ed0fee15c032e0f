package dev.sluice.executor.cuda.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Every kernel compiles for every architecture, keeps its values in registers, and uses no more of a multiprocessor than
 * {@code kernel-table.csv} says. Reads what the compiler told the build. The measured table is left in
 * {@code target/kernel-table.csv}: after a deliberate change it becomes the new one.
 */
class KernelCompileTest {

    private static final Path KERNELS = Path.of("src/main/cuda/kernels");
    private static final Path REPORT = Path.of("target/kernels.txt");
    private static final Path TABLE = Path.of("src/test/resources/cuda/kernel-table.csv");
    private static final Path MEASURED = Path.of("target/kernel-table.csv");
    private static final String MISSING = "Kernels were not compiled: there is no nvcc on the PATH.";
    private static final String HEADER = "kernel,arch,registers,shared bytes";
    private static final int OTHER_COMPILERS = 8; // registers: what another version of the compiler may differ by
    private static final Pattern ENTRY = Pattern.compile("Compiling entry function '(\\w+)' for '(\\w+)'"
            + "[\\s\\S]*?(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill loads"
            + "[\\s\\S]*?Used (\\d+) registers(?:.*?(\\d+) bytes smem)?");

    private record Usage(int registers, int sharedBytes) {}

    private String report = "";

    @BeforeEach
    void readWhatTheCompilerSaid() throws IOException {
        if (!Files.exists(REPORT)) {
            System.out.println(MISSING);
        }
        assumeTrue(Files.exists(REPORT), MISSING);
        report = Files.readString(REPORT);
    }

    @Test
    void kernelsCompileWithinTheirBounds() throws IOException {
        Map<String, Usage> measured = new TreeMap<>();
        List<String> spilling = new ArrayList<>();
        for (Matcher m = ENTRY.matcher(report); m.find(); ) {
            String kernel = m.group(1) + "," + m.group(2);
            int shared = m.group(7) == null ? 0 : Integer.parseInt(m.group(7));
            measured.put(kernel, new Usage(Integer.parseInt(m.group(6)), shared));
            if (!(m.group(3) + m.group(4) + m.group(5)).equals("000")) {
                spilling.add(kernel);
            }
        }
        List<String> architectures = measured.keySet().stream()
                .map(kernel -> kernel.split(",")[1])
                .collect(() -> new TreeSet<String>(), TreeSet::add, TreeSet::addAll)
                .stream()
                .toList();
        assertThat(architectures).as("architectures that this nvcc knows").contains("sm_80", "sm_90a");
        List<String> lines = new ArrayList<>(List.of(HEADER));
        measured.forEach((kernel, usage) -> lines.add(kernel + "," + usage.registers + "," + usage.sharedBytes));
        Files.write(MEASURED, lines);
        print(architectures, measured);
        assertThat(spilling).as("kernels with local memory").isEmpty();
        assertThat(report).as("what the compiler says").doesNotContain("warning");
        compare(architectures, measured);
    }

    @Test
    void theImagesOfAllKernelsTravelInTheJar() throws IOException {
        try (Stream<Path> files = Files.list(KERNELS)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString().replace(".cu", "");
                byte[] image = KernelImages.packed(name);
                assertThat(image).as(name).startsWith(0x50, 0xED, 0x55, 0xBA); // a fat binary
            }
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
