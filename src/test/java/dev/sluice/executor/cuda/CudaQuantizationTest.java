package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.StepResult;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.weights.CudaWeights;
import dev.sluice.executor.cuda.weights.LinearFormats;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.executor.cuda.weights.WeightTable;
import dev.sluice.model.DataType;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.GoldenModel.Case;
import dev.sluice.testkit.GoldenModel.Expected;
import dev.sluice.testkit.ModelFixturesWeights;
import dev.sluice.testkit.ModelFixturesWeights.Stored;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import dev.sluice.testkit.QuantizedCheckpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Linear layers of 8 bits: what plain loops with the same roundings compute, for whatever reason they have 8 bits. */
class CudaQuantizationTest {

    private static final int ALTERNATIVES = 20;
    private static final String MODEL = "llama-rope-llama3";

    /*
     * Root mean squares of differences between logits, which themselves differ by 2 to 8. The tiny models are chaotic: one
     * element that is rounded to the other side shows in all logits.
     */
    private static final double NO_ELEMENT =
            TestGpu.isReal() ? 0.6 : 1e-4; // a real one has its own exponential function
    private static final double FEW_ELEMENTS = 0.6;
    private static final double MANY_ELEMENTS = 2; // all of them, half a step of FP8

    @TempDir
    Path scratch;

    private TestGpu gpu;

    @BeforeEach
    void findAGpu() {
        TestGpu fresh = TestGpu.fresh();
        assumeTrue(fresh != null, TestGpu.MISSING);
        gpu = fresh;
        if (gpu.fake() != null) {
            gpu.fake().capability(90);
        }
    }

    private static CudaSettings settings(QuantizationChoice choice) {
        return new CudaSettings(0, 256, 64, 8, 16, 60, 0.9, choice);
    }

    private static ElementFormat format(QuantizationChoice choice) {
        return choice == QuantizationChoice.INT8 ? ElementFormat.INT8 : ElementFormat.FP8;
    }

    @ParameterizedTest
    @CsvSource({
        "llama-rope-llama3, INT8",
        "llama-rope-llama3, FP8",
        "mistral-sliding-window, INT8",
        "mistral-sliding-window, FP8",
        "qwen2, INT8",
        "qwen3, INT8",
        "qwen3, FP8",
        "llama-tied, INT8"
    })
    void logitsAreThoseOfPlainLoopsAndNearThoseOfTheModel(String name, QuantizationChoice choice) {
        try (GoldenModel golden = GoldenModel.open(name, scratch);
                CudaExecutor executor = gpu.open(golden.model(), settings(choice))) {
            ReferenceDecoder reference = new ReferenceDecoder(golden.model(), format(choice), layer -> true);
            for (Case test : golden.cases()) {
                TokenLogprobs found = logprobs(executor, test.prompt()).getFirst();
                // Sums of int8 are exact; those of FP8 are not, and attention over long prompts has its own order.
                boolean exact = choice == QuantizationChoice.INT8 && test.prompt().length < 20;
                assertThat(error(found, reference.logits(test.prompt())))
                        .as(test.name())
                        .isLessThan(exact ? NO_ELEMENT : FEW_ELEMENTS);
                Expected expected = test.expected().getFirst();
                assertThat(expected.ids()).hasSize(executor.spec().vocabularySize());
                assertThat(error(found, expected.logits())).as(test.name()).isLessThan(MANY_ELEMENTS);
            }
        }
    }

    /** Without attention over more than one key there is little to be rounded otherwise: a wrong scale has nowhere to hide. */
    @ParameterizedTest
    @CsvSource({"INT8, 7", "INT8, 12", "INT8, 40", "FP8, 7", "FP8, 12", "FP8, 40"})
    void rowsOfAPassKeepTheirOwnScales(QuantizationChoice choice, int rows) {
        try (GoldenModel golden = GoldenModel.open(MODEL, scratch);
                CudaExecutor executor = gpu.open(golden.model(), settings(choice))) {
            ReferenceDecoder reference = new ReferenceDecoder(golden.model(), format(choice), layer -> true);
            ReferenceDecoder half = new ReferenceDecoder(golden.model(), ElementFormat.HALF, layer -> false);
            int[][] prompts = new int[rows][];
            Arrays.setAll(prompts, i -> new int[] {3 + 5 * i});
            List<TokenLogprobs> found = logprobs(executor, prompts);
            double same = 0;
            double other = 0;
            for (int i = 0; i < rows; i++) {
                same += error(found.get(i), reference.logits(prompts[i])) / rows;
                other += error(found.get(i), half.logits(prompts[i])) / rows;
            }
            boolean exact = choice == QuantizationChoice.INT8 && !TestGpu.isReal();
            assertThat(same).isLessThan(exact ? NO_ELEMENT : other / 3);
        }
    }

    @ParameterizedTest
    @CsvSource({"INT8, llama-rope-llama3", "FP8, mistral-sliding-window"})
    void neitherCompanyNorChunksChangeABit(QuantizationChoice choice, String name) {
        try (GoldenModel golden = GoldenModel.open(name, scratch);
                CudaExecutor executor = gpu.open(golden.model(), settings(choice))) {
            List<int[]> prompts = golden.cases().stream().map(Case::prompt).toList();
            List<List<TokenLogprobs>> alone = new ArrayList<>();
            for (int[] prompt : prompts) {
                alone.addAll(generated(executor, 256, List.of(prompt)));
            }
            assertThat(generated(executor, 256, prompts))
                    .usingRecursiveComparison()
                    .isEqualTo(alone);
            assertThat(generated(executor, 23, prompts))
                    .usingRecursiveComparison()
                    .isEqualTo(alone);
            assertThat(generated(executor, 1, prompts.subList(0, 2)))
                    .usingRecursiveComparison()
                    .isEqualTo(alone.subList(0, 2));
        }
    }

    /** Log-probabilities of some tokens for each prompt, computed side by side. */
    private static List<List<TokenLogprobs>> generated(CudaExecutor executor, int chunk, List<int[]> prompts) {
        PlanDriver driver = new PlanDriver(executor);
        Run[] runs = prompts.stream().map(driver::start).toArray(Run[]::new);
        List<List<TokenLogprobs>> all = new ArrayList<>();
        for (Run run : runs) {
            run.sampling = new SamplingParams.Builder().logprobs(5).build();
            all.add(new ArrayList<>());
        }
        while (runs[runs.length - 1].tokenCount < runs[runs.length - 1].promptLength + 3) {
            driver.begin();
            for (Run run : runs) {
                driver.schedule(run, Math.min(chunk, run.tokenCount - run.computed));
            }
            StepResult result = driver.submit();
            for (int i = 0; i < runs.length; i++) {
                assertThat(result.failure(i)).isNull();
                runs[i].computed += driver.begun().get(i).count;
                if (result.lastToken(i) != StepResult.NO_TOKEN) {
                    runs[i].append(result.lastToken(i));
                    all.get(i).add(result.logprobs(i, 0));
                }
            }
        }
        all.replaceAll(list -> list.subList(0, 3));
        return all;
    }

    @ParameterizedTest
    @EnumSource(
            value = QuantizationChoice.class,
            names = {"INT8", "FP8"})
    void aRowThatIsNoNumberSpoilsNoOther(QuantizationChoice choice) {
        int bad = 252;
        try (GoldenModel golden = GoldenModel.open(MODEL, scratch, directory -> spoil(directory, bad));
                CudaExecutor executor = gpu.open(golden.model(), settings(choice))) {
            int[] good = golden.cases().get(1).prompt();
            PlanDriver driver = new PlanDriver(executor);
            driver.begin();
            driver.schedule(driver.start(bad, 3), 2);
            Run run = driver.start(good);
            run.sampling = new SamplingParams.Builder().logprobs(ALTERNATIVES).build();
            driver.schedule(run, good.length);
            StepResult result = driver.submit();
            assertThat(result.failure(0)).isNotBlank();
            assertThat(result.logprobs(1, 0))
                    .usingRecursiveComparison()
                    .isEqualTo(logprobs(executor, good).getFirst());
        }
    }

    private static void spoil(Path directory, int token) {
        SequencedMap<String, Stored> tensors = ModelFixturesWeights.load(directory);
        byte[] bytes = tensors.get("model.embed_tokens.weight").bytes();
        Arrays.fill(bytes, token * 128, (token + 1) * 128, (byte) 0xff); // 64 times not a number
        ModelFixturesWeights.save(directory, tensors);
    }

    @ParameterizedTest
    @CsvSource({"INT8, I8", "FP8, F8_E4M3"})
    void aCheckpointWithDynamicInputsIsServedInItsOwnFormat(QuantizationChoice choice, DataType type) {
        int[] prompt;
        List<TokenLogprobs> converted;
        String convertedBlocks;
        try (GoldenModel golden = GoldenModel.open(MODEL, scratch.resolve("plain"));
                CudaExecutor executor = gpu.open(golden.model(), settings(choice))) {
            prompt = golden.cases().get(2).prompt();
            converted = logprobs(executor, prompt);
            convertedBlocks = executor.spec().blockFormat();
        }
        try (GoldenModel golden = quantized(type, true, layer -> true);
                CudaExecutor executor = gpu.open(golden.model(), settings(QuantizationChoice.AUTO))) {
            assertThat(logprobs(executor, prompt)).usingRecursiveComparison().isEqualTo(converted);
            assertThat(executor.spec().device())
                    .endsWith(", bf16-" + format(choice).label());
            assertThat(executor.spec().blockFormat()).isNotEqualTo(convertedBlocks);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"I8", "F8_E4M3"})
    void layersThatTheCheckpointLeavesInSixteenBitsStaySo(DataType type) {
        // One of three matrices that are stacked, one alone, and a layer that is left whole.
        Predicate<String> chosen =
                name -> name.contains("layers.0") && !name.contains("k_proj") && !name.contains("o_proj");
        Predicate<String> computed = name -> chosen.test(name) && !name.contains("self_attn");
        try (GoldenModel golden = quantized(type, true, chosen);
                CudaExecutor executor = gpu.open(golden.model(), settings(QuantizationChoice.AUTO))) {
            ElementFormat format = type == DataType.I8 ? ElementFormat.INT8 : ElementFormat.FP8;
            ReferenceDecoder reference = new ReferenceDecoder(golden.model(), format, computed);
            int[][] prompts = {{7}, {100}, {200}};
            List<TokenLogprobs> found = logprobs(executor, prompts);
            for (int i = 0; i < prompts.length; i++) {
                assertThat(error(found.get(i), reference.logits(prompts[i])))
                        .isLessThan(type == DataType.I8 ? NO_ELEMENT : 0.1);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"I8, true, NONE", "F8_E4M3, true, NONE", "I8, false, AUTO", "F8_E4M3, false, AUTO"})
    void weightsAloneAreMultipliedOut(DataType type, boolean dynamic, QuantizationChoice choice) {
        if (gpu.fake() != null) {
            gpu.fake().capability(80); // which is enough
        }
        try (GoldenModel golden = quantized(type, dynamic, layer -> true);
                CudaExecutor executor = gpu.open(golden.model(), settings(choice))) {
            ReferenceDecoder reference = new ReferenceDecoder(golden.model(), ElementFormat.HALF, layer -> false);
            int[] prompt = golden.cases().getFirst().prompt();
            assertThat(error(logprobs(executor, prompt).getFirst(), reference.logits(prompt)))
                    .isLessThan(0.1);
            assertThat(executor.spec().device()).endsWith(", bf16");
            assertThat(executor.spec().blockFormat()).matches("cuda-bf16-(mma|wgmma)-2");
        }
    }

    private GoldenModel quantized(DataType type, boolean dynamic, Predicate<String> chosen) {
        return GoldenModel.open(
                MODEL,
                scratch.resolve("quantized"),
                directory -> QuantizedCheckpoint.write(directory, type, dynamic, chosen));
    }

    @Test
    void aDeviceWithoutKernelsForFp8IsRefusedWithASentence() {
        assumeTrue(gpu.fake() != null, "the capability of a real GPU is what it is");
        String sentence = "fp8 needs compute capability 9.0 or 10.0, and Fake 0 has %d.%d: set"
                + " sluice.executor.cuda.quantization to none or int8";
        for (int capability : new int[] {80, 89, 120}) {
            gpu.fake().capability(capability);
            try (GoldenModel golden = quantized(DataType.F8_E4M3, true, layer -> true)) {
                for (QuantizationChoice choice : List.of(QuantizationChoice.AUTO, QuantizationChoice.FP8)) {
                    assertThatThrownBy(() -> gpu.open(golden.model(), settings(choice)))
                            .isInstanceOf(CudaUnavailableException.class)
                            .hasMessage(sentence.formatted(capability / 10, capability % 10));
                }
            }
            scratch = scratch.resolve("next");
        }
        assertThat(gpu.fake().live()).isZero();
    }

    @Test
    void aWidthThatProductsOfEightBitsCannotHaveIsRefusedWithASentence() {
        try (GoldenModel golden = GoldenModel.open("smollm2-9-heads", scratch)) {
            assertThatThrownBy(() -> gpu.open(golden.model(), settings(QuantizationChoice.INT8)))
                    .isInstanceOf(CudaUnavailableException.class)
                    .hasMessage("the CUDA executor needs a hidden_size that is a multiple of 16 with int8, not 72");
        }
    }

    @Test
    void weightsOfEightBitsTakeHalfTheMemory() {
        try (GoldenModel golden = GoldenModel.open(MODEL, scratch)) {
            long linear = 2L * (64 * (64 + 32 + 32) + 64 * 64 + 3 * 64 * 128); // two layers
            long rows = 2L * (64 + 32 + 32 + 64 + 128 + 128 + 64);
            WeightTable table = new WeightTable(
                    0,
                    LinearFormats.of(
                            QuantizationChoice.INT8,
                            golden.model().spec(),
                            golden.model().weights()));
            CudaWeights.place(golden.model().spec(), table, false);
            WeightTable half = new WeightTable(
                    0,
                    LinearFormats.of(
                            QuantizationChoice.NONE,
                            golden.model().spec(),
                            golden.model().weights()));
            CudaWeights.place(golden.model().spec(), half, true);
            assertThat(half.bytes() - table.bytes())
                    .isEqualTo(linear - rows * Float.BYTES); // each a multiple of 256 here
        }
    }

    /** Of the next token of each prompt, computed side by side. */
    private static List<TokenLogprobs> logprobs(CudaExecutor executor, int[]... prompts) {
        PlanDriver driver = new PlanDriver(executor);
        driver.begin();
        for (int[] prompt : prompts) {
            Run run = driver.start(prompt);
            run.sampling = new SamplingParams.Builder().logprobs(ALTERNATIVES).build();
            driver.schedule(run, prompt.length);
        }
        StepResult result = driver.submit();
        List<TokenLogprobs> found = new ArrayList<>();
        for (int i = 0; i < prompts.length; i++) {
            assertThat(result.failure(i)).isNull();
            found.add(result.logprobs(i, 0));
        }
        return found;
    }

    /** Root mean square of the differences between logits, of which log-probabilities tell no more. */
    private static double error(TokenLogprobs found, float[] logits) {
        double squares = 0;
        for (int i = 1; i < ALTERNATIVES; i++) {
            double expected = logits[found.topIds()[i]] - logits[found.topIds()[0]];
            double difference = found.topLogprobs()[i] - found.topLogprobs()[0] - expected;
            squares += difference * difference;
        }
        return Math.sqrt(squares / (ALTERNATIVES - 1));
    }
}
