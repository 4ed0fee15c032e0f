package dev.sluice.executor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.KvLayout;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.GoldenModel.Case;
import dev.sluice.testkit.GoldenModel.Expected;
import dev.sluice.testkit.ModelFixtures;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Logits and greedy continuations against a float64 reference, for every architecture and stored type. */
class CpuExecutorGoldenTest {

    private static final KvLayout LAYOUT = new KvLayout(128, 16);
    private static final int WHOLE = 512;

    @TempDir
    Path scratch;

    static Stream<Arguments> models() {
        List<Arguments> arguments = new ArrayList<>();
        for (String name : ModelFixtures.TINY) {
            arguments.add(Arguments.of(name, "vectors"));
            arguments.add(Arguments.of(name, "scalars"));
        }
        arguments.add(Arguments.of(GoldenModel.EMBEDDED, "vectors"));
        return arguments.stream();
    }

    @ParameterizedTest
    @MethodSource("models")
    void logitsAndGreedyIdsAreThoseOfTheReference(String name, String kind) {
        TensorOps ops = kind.equals("vectors") ? new VectorOps() : new ScalarOps();
        try (GoldenModel golden = GoldenModel.open(name, scratch);
                CpuExecutor executor = new CpuExecutor(
                        golden.model().spec(),
                        golden.model().weights(),
                        LAYOUT,
                        1024,
                        new CpuSettings(2, 512, 16),
                        ops)) {
            for (int chunk : golden.isInt8() ? new int[] {WHOLE} : new int[] {1, 7, 16, WHOLE}) {
                for (Case test : golden.cases()) {
                    checkAlone(executor, golden, test, chunk);
                }
            }
            checkTogether(executor, golden);
        }
    }

    private static void checkAlone(CpuExecutor executor, GoldenModel golden, Case test, int chunk) {
        Map<Integer, float[]> seen = new ConcurrentHashMap<>();
        executor.observe((line, logits) -> seen.put(line, logits.clone()));
        PlanDriver driver = new PlanDriver(executor);
        for (Expected expected : test.expected()) {
            Run run = driver.start(Arrays.copyOf(test.prompt(), expected.position() + 1));
            driver.generate(1, chunk, run);
            assertLogits(golden, test, expected, seen.get(0));
            driver.release(run);
        }
        Run run = driver.start(test.prompt());
        driver.generate(test.greedy().length, chunk, run);
        assertGreedy(golden, test, run);
    }

    private static void checkTogether(CpuExecutor executor, GoldenModel golden) {
        PlanDriver driver = new PlanDriver(executor);
        Run[] runs =
                golden.cases().stream().map(test -> driver.start(test.prompt())).toArray(Run[]::new);
        driver.generate(
                golden.cases().stream()
                        .mapToInt(test -> test.greedy().length)
                        .max()
                        .orElseThrow(),
                16,
                runs);
        for (int i = 0; i < runs.length; i++) {
            assertGreedy(golden, golden.cases().get(i), runs[i]);
        }
    }

    private static double tolerance(GoldenModel golden, float[] logits) {
        double mean = 0;
        double squares = 0;
        for (float logit : logits) {
            mean += logit / logits.length;
            squares += (double) logit * logit / logits.length;
        }
        return Math.sqrt(squares - mean * mean) * (golden.isInt8() ? 1e-3 : 1e-4);
    }

    private static void assertLogits(GoldenModel golden, Case test, Expected expected, float[] logits) {
        double tolerance = tolerance(golden, logits);
        double worst = 0;
        for (int i = 0; i < expected.ids().length; i++) {
            worst = Math.max(worst, Math.abs(logits[expected.ids()[i]] - expected.logits()[i]));
        }
        assertThat(worst)
                .as(test.name() + " at position " + expected.position())
                .isLessThan(tolerance);
    }

    /** Equal up to the first choice that the reference itself made by less than the tolerance of an int8 model. */
    private static void assertGreedy(GoldenModel golden, Case test, Run run) {
        int sure = 0;
        while (sure < test.greedy().length && test.margins()[sure] > 2e-4) {
            sure++;
        }
        assertThat(Arrays.copyOf(run.output(), sure))
                .as(test.name() + " up to output " + sure)
                .isEqualTo(Arrays.copyOf(test.greedy(), sure));
    }
}
