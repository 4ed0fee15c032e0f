package dev.sluice.executor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.KvLayout;
import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Logits and greedy continuations against a float64 reference, for the default model and for six small models that each
 * have one feature of an architecture; alone and batched, whole and in chunks.
 */
class GoldenModelTest {

    private static final Path GOLDEN = Path.of("src/test/resources/golden");
    private static final int[] CHUNKS = {1, 7, 16, Integer.MAX_VALUE};
    private static final double FLOAT_TOLERANCE = 1e-3;
    private static final double INT8_TOLERANCE = 2e-2;

    private final List<AutoCloseable> open = new ArrayList<>();

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable resource : open.reversed()) {
            resource.close();
        }
    }

    private StepDriver driver(Model model, int tokens) {
        open.add(model);
        KvLayout layout = new KvLayout(tokens / 16 + 40, 16);
        CpuExecutor executor = new CpuExecutor(
                model.spec(), model.weights(), layout, model.spec().contextLength(), new CpuSettings(2));
        open.add(executor);
        return new StepDriver(executor);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"llama-rope-llama3", "llama-tied", "mistral-sliding-window", "qwen2", "qwen3", "smollm2-9-heads"
            })
    void everyArchitectureGivesTheReferenceLogitsAndTokens(String name) {
        Path directory = GOLDEN.resolve("tiny").resolve(name);
        JsonNode cases = read(directory.resolve("golden.json")).path("cases");
        StepDriver driver = driver(ModelDirectory.open(directory, false), 1024);
        List<int[]> prompts = new ArrayList<>();
        cases.forEach(golden -> prompts.add(ints(golden.path("prompt_ids"))));
        for (int chunk : CHUNKS) {
            List<StepDriver.Run> batched = driver.runBatched(prompts, 16, chunk);
            for (int i = 0; i < prompts.size(); i++) {
                StepDriver.Run alone = driver.runAlone(prompts.get(i), 16, chunk);
                for (StepDriver.Run run : List.of(alone, batched.get(i))) {
                    JsonNode golden = cases.get(i);
                    assertClose(run.logits.getFirst(), doubles(golden.path("last_logits")), FLOAT_TOLERANCE);
                    assertThat(run.output()).containsExactly(ints(golden.path("greedy_ids")));
                }
                assertThat(bits(batched.get(i))).isEqualTo(bits(alone));
            }
        }
    }

    @Test
    void theDefaultModelGivesTheReferenceLogitsAndTokens() {
        JsonNode cases = read(GOLDEN.resolve("minimind2-small.json")).path("cases");
        StepDriver driver = driver(ModelDirectory.embedded(), 4096);
        List<int[]> prompts = new ArrayList<>();
        cases.forEach(golden -> prompts.add(ints(golden.path("prompt_ids"))));
        List<StepDriver.Run> whole = driver.runBatched(prompts, 32, Integer.MAX_VALUE);
        for (int i = 0; i < prompts.size(); i++) {
            assertMatches(whole.get(i), cases.get(i));
        }
        for (int chunk : CHUNKS) {
            List<StepDriver.Run> batched = driver.runBatched(prompts, 32, chunk);
            for (int i = 0; i < prompts.size(); i++) {
                assertThat(bits(batched.get(i))).isEqualTo(bits(whole.get(i)));
                if (chunk != 1 || i < 4) { // one token at a time is slow, and its kernels are the decode's
                    StepDriver.Run alone = driver.runAlone(prompts.get(i), 4, chunk);
                    assertThat(bits(alone)).isEqualTo(bits(whole.get(i)).subList(0, 4));
                }
            }
        }
    }

    private static void assertMatches(StepDriver.Run run, JsonNode golden) {
        String name = golden.path("name").asString();
        float[] logits = run.logits.getFirst();
        double spread = spread(logits);
        for (JsonNode entry : golden.path("last_top10")) {
            double expected = entry.get(1).doubleValue();
            assertThat((double) logits[entry.get(0).intValue()])
                    .as("%s, logit of token %s", name, entry.get(0))
                    .isCloseTo(expected, org.assertj.core.data.Offset.offset(INT8_TOLERANCE * spread));
        }
        int[] expected = ints(golden.path("greedy_ids"));
        double[] margins = doubles(golden.path("greedy_margins"));
        int[] output = run.output();
        for (int i = 0; i < expected.length && margins[i] > INT8_TOLERANCE; i++) {
            assertThat(output[i]).as("%s, greedy token %d", name, i).isEqualTo(expected[i]);
        }
    }

    private static void assertClose(float[] actual, double[] expected, double tolerance) {
        assertThat(actual).hasSize(expected.length);
        double allowed = tolerance * spread(actual);
        for (int i = 0; i < expected.length; i++) {
            assertThat((double) actual[i]).isCloseTo(expected[i], org.assertj.core.data.Offset.offset(allowed));
        }
    }

    private static double spread(float[] values) {
        double mean = 0;
        for (float value : values) {
            mean += value / values.length;
        }
        double square = 0;
        for (float value : values) {
            square += (value - mean) * (value - mean) / values.length;
        }
        return Math.sqrt(square);
    }

    /** Every logit of every step, as bits: equal means equal to the last one. */
    private static List<Integer> bits(StepDriver.Run run) {
        List<Integer> hashes = new ArrayList<>();
        for (float[] logits : run.logits) {
            hashes.add(Arrays.hashCode(logits));
        }
        return hashes;
    }

    private static JsonNode read(Path file) {
        try {
            return JsonMapper.shared().readTree(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int[] ints(JsonNode array) {
        int[] values = new int[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).intValue();
        }
        return values;
    }

    private static double[] doubles(JsonNode array) {
        double[] values = new double[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).doubleValue();
        }
        return values;
    }
}
