package dev.sluice.executor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.KvLayout;
import dev.sluice.model.ModelSpec;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The promise that greedy and seeded results rest on: the same logits, to the bit, under any schedule. */
class BatchInvarianceTest {

    private static final int OUTPUTS = 6;

    @TempDir
    Path scratch;

    @ParameterizedTest
    @ValueSource(strings = {"llama-rope-llama3", "mistral-sliding-window", "qwen3", "smollm2-9-heads", "llama-tied"})
    void logitsHaveTheSameBitsWhateverTheChunkTheCompanyTheBlocksAndTheThreads(String name) {
        try (GoldenModel golden = GoldenModel.open(name, scratch)) {
            int[] lengths = {1, 5, 17, 64, 131};
            float[][][] expected = new float[lengths.length][][];
            try (CpuExecutor executor = executor(golden, 1, 16, 512, new VectorOps())) {
                for (int i = 0; i < lengths.length; i++) {
                    expected[i] = logits(executor, golden, new int[] {lengths[i]}, 512, null)[0];
                }
            }
            Random random = new Random(11);
            for (int threads = 1; threads <= 3; threads++) {
                for (int blockSize : new int[] {16, 7}) {
                    // 24 rows a pass: long steps are cut inside of the executor, too
                    for (int rowsMax : new int[] {512, 24}) {
                        try (CpuExecutor executor = executor(golden, threads, blockSize, rowsMax, new VectorOps())) {
                            for (int chunk : new int[] {1, 7, 16, 512}) {
                                assertThat(logits(executor, golden, lengths, chunk, random))
                                        .as(threads + " threads, block " + blockSize + ", rows " + rowsMax + ", chunk "
                                                + chunk)
                                        .isDeepEqualTo(expected);
                            }
                        }
                    }
                }
            }
        }
    }

    @Test
    void longContextsHaveTheSameBitsWhetherTheirKeysAreSplitAmongThreadsOrNot() {
        try (GoldenModel golden = GoldenModel.open(GoldenModel.EMBEDDED, scratch)) {
            int[] lengths = {700};
            float[][][] expected;
            try (CpuExecutor executor = executor(golden, 1, 16, 512, new VectorOps())) {
                expected = logits(executor, golden, lengths, 512, null);
            }
            for (int threads = 2; threads <= 3; threads++) {
                try (CpuExecutor executor = executor(golden, threads, 16, 512, new VectorOps())) {
                    assertThat(logits(executor, golden, lengths, 97, new Random(5)))
                            .isDeepEqualTo(expected);
                }
            }
        }
    }

    @Test
    void scalarsGiveTheBitsOfVectors() {
        try (GoldenModel golden = GoldenModel.open("smollm2-9-heads", scratch)) {
            int[] lengths = {3, 40};
            try (CpuExecutor vectors = executor(golden, 2, 16, 512, new VectorOps());
                    CpuExecutor scalars = executor(golden, 2, 5, 512, new ScalarOps())) {
                assertThat(logits(scalars, golden, lengths, 9, null))
                        .isDeepEqualTo(logits(vectors, golden, lengths, 16, null));
            }
        }
    }

    private static CpuExecutor executor(GoldenModel golden, int threads, int blockSize, int rowsMax, TensorOps ops) {
        KvLayout layout = new KvLayout(1024 / blockSize + 8, blockSize);
        return new CpuExecutor(
                golden.model().spec(),
                golden.model().weights(),
                layout,
                1024,
                new CpuSettings(threads, rowsMax, 4),
                ops);
    }

    /** Runs prompts of the given lengths side by side, and returns the logits of every output of each. */
    private static float[][][] logits(
            CpuExecutor executor, GoldenModel golden, int[] lengths, int chunk, Random shuffle) {
        ModelSpec spec = golden.model().spec();
        PlanDriver driver = new PlanDriver(executor, shuffle);
        Run[] runs = new Run[lengths.length];
        float[][][] logits = new float[lengths.length][OUTPUTS][];
        for (int i = 0; i < lengths.length; i++) {
            runs[i] = driver.start(new Random(lengths[i])
                    .ints(lengths[i], 0, spec.vocabularySize())
                    .toArray());
        }
        Map<Integer, float[]> seen = new ConcurrentHashMap<>();
        executor.observe((line, values) -> seen.put(line, values.clone()));
        while (Arrays.stream(runs).anyMatch(run -> run.output().length < OUTPUTS)) {
            int[] unfinished = IntStream.range(0, runs.length)
                    .filter(i -> runs[i].output().length < OUTPUTS)
                    .toArray();
            int[] before =
                    Arrays.stream(unfinished).map(i -> runs[i].output().length).toArray();
            seen.clear();
            driver.step(chunk, Arrays.stream(unfinished).mapToObj(i -> runs[i]).toArray(Run[]::new));
            seen.forEach((line, values) -> logits[unfinished[line]][before[line]] = values);
        }
        return logits;
    }
}
