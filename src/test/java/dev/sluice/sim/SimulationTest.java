package dev.sluice.sim;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Runs the simulation over many seeds. {@code -Dsim.seed=N} replays one, {@code -Dsim.seeds=N} runs that many; seeds that
 * once found something are listed in {@code seeds.txt} and always run. Those run with and without overlap, the others in turn.
 */
class SimulationTest {

    private static final int SEEDS_PER_BUILD = 200;

    @Test
    void everySeedEndsWithBalancedBooksAndTheRightTokens() {
        String single = System.getProperty("sim.seed");
        LongStream both = single != null
                ? LongStream.of(Long.parseLong(single))
                : rememberedSeeds().stream().mapToLong(Long::parseLong);
        both.forEach(seed -> {
            run(seed, false, false);
            run(seed, true, false);
        });
        if (single == null) {
            LongStream.range(0, Integer.getInteger("sim.seeds", SEEDS_PER_BUILD))
                    .forEach(seed -> run(seed, seed % 2 == 0, false));
        }
    }

    @Test
    void aConnectorThatThrowsNowAndThenCostsNobodyATokenOrABlock() {
        String single = System.getProperty("sim.seed");
        if (single != null) {
            run(Long.parseLong(single), false, true);
            run(Long.parseLong(single), true, true);
        } else {
            LongStream.concat(
                            rememberedSeeds().stream().mapToLong(Long::parseLong),
                            LongStream.range(0, Integer.getInteger("sim.seeds", SEEDS_PER_BUILD)))
                    .forEach(seed -> run(seed, seed % 2 == 0, true));
        }
    }

    private static void run(long seed, boolean overlap, boolean throwing) {
        try {
            new World(seed, overlap, throwing).run();
        } catch (RuntimeException e) {
            throw new AssertionError(
                    "seed " + seed + (overlap ? " with" : " without") + " overlap"
                            + (throwing ? ", with a connector that throws," : "") + " failed: " + e.getMessage()
                            + "\nreplay: ./mvnw test -Dtest=SimulationTest -Dsim.seed=" + seed,
                    e);
        }
    }

    private static List<String> rememberedSeeds() {
        try (InputStream in = SimulationTest.class.getResourceAsStream("/seeds.txt");
                Stream<String> lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8)).lines()) {
            return lines.filter(line -> !line.startsWith("#") && !line.isBlank())
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
