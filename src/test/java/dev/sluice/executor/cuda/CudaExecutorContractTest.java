package dev.sluice.executor.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.ModelExecutorContract;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.ModelFixturesWeights;
import dev.sluice.testkit.ModelFixturesWeights.Stored;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;

/** The CUDA executor keeps the contract on whatever GPU there is: the machine's, or the emulated one. */
class CudaExecutorContractTest {

    abstract static class OnTinyModel extends ModelExecutorContract {

        @TempDir
        private Path scratch;

        private final String name;
        private final int broken;
        private final QuantizationChoice quantization;
        private int opened;

        /** @param broken a token that the golden prompts and answers do not contain; its embedding is not a number */
        OnTinyModel(String name, int broken, QuantizationChoice quantization) {
            this.name = name;
            this.broken = broken;
            this.quantization = quantization;
        }

        private GoldenModel golden() {
            return GoldenModel.open(name, scratch.resolve("copy" + opened++), this::breakOneEmbedding);
        }

        /** Makes another model of it. */
        void change(Path directory) {}

        private void breakOneEmbedding(Path directory) {
            change(directory);
            SequencedMap<String, Stored> tensors = ModelFixturesWeights.load(directory);
            Stored embeddings = tensors.get("model.embed_tokens.weight");
            int rowBytes = embeddings.bytes().length / (int) embeddings.shape()[0];
            // All bits set is not a number in every floating-point type.
            Arrays.fill(embeddings.bytes(), broken * rowBytes, (broken + 1) * rowBytes, (byte) 0xFF);
            ModelFixturesWeights.save(directory, tensors);
        }

        /** What the emulated GPU says it is: a Hopper, with matrix products of its own. */
        int capability() {
            return 90;
        }

        @Override
        protected ModelExecutor open() {
            TestGpu gpu = TestGpu.fresh();
            assumeTrue(gpu != null, TestGpu.MISSING);
            if (gpu.fake() != null) {
                gpu.fake().capability(capability());
            }
            try (GoldenModel golden = golden()) {
                // 32 rows and 3 answers at once: larger steps are computed in several passes
                CudaSettings settings = new CudaSettings(
                        0, CONTEXT, 32, 3, LAYOUT.blockSize(), LAYOUT.usableBlocks(), 0.9, quantization);
                return gpu.open(golden.model(), settings);
            }
        }

        @Override
        protected List<Known> known() {
            try (GoldenModel golden = golden()) {
                return golden.cases().stream()
                        .map(test -> new Known(test.prompt(), test.greedy()))
                        .toList();
            }
        }

        @Override
        protected Run failing(PlanDriver driver) {
            int[] prompt = new int[40];
            Arrays.fill(prompt, broken);
            return driver.start(prompt);
        }
    }

    @Nested
    class WithFullAttention extends OnTinyModel {
        WithFullAttention() {
            super("llama-rope-llama3", 252, QuantizationChoice.AUTO);
        }
    }

    @Nested
    class WithASlidingWindow extends OnTinyModel {
        WithASlidingWindow() {
            super("mistral-sliding-window", 255, QuantizationChoice.AUTO);
        }

        /** One without. */
        @Override
        int capability() {
            return 80;
        }
    }

    /** What is known of these models is what they say alone, each prompt in one piece: other tests say whether it is right. */
    abstract static class JudgedByItself extends OnTinyModel {

        private static final Map<Class<?>, List<Known>> KNOWN = new HashMap<>(); // asking takes long

        JudgedByItself(String name, int broken, QuantizationChoice quantization) {
            super(name, broken, quantization);
        }

        @Override
        protected ModelExecutor open() {
            if (!KNOWN.containsKey(getClass())) {
                List<Known> known = new ArrayList<>();
                try (ModelExecutor executor = super.open()) {
                    PlanDriver driver = new PlanDriver(executor);
                    for (Known one : super.known()) {
                        Run run = driver.start(one.prompt());
                        driver.generate(one.greedy().length, CONTEXT, run);
                        known.add(new Known(one.prompt(), run.output()));
                        driver.release(run);
                    }
                }
                KNOWN.put(getClass(), known);
            }
            return super.open();
        }

        @Override
        protected List<Known> known() {
            return KNOWN.getOrDefault(getClass(), List.of());
        }
    }

    /** As large as the kernel for prefill attention on a Hopper needs them. */
    @Nested
    class WithHeadsOf64 extends JudgedByItself {
        WithHeadsOf64() {
            super("llama-rope-llama3", 252, QuantizationChoice.NONE);
        }

        @Override
        void change(Path directory) {
            ModelFixturesWeights.widenHeadsTo64(directory);
        }
    }

    @Nested
    @EnabledIf("dev.sluice.executor.cuda.CudaExecutorContractTest#everyFormat")
    class InInt8 extends JudgedByItself {
        InInt8() {
            super("llama-rope-llama3", 252, QuantizationChoice.INT8);
        }
    }

    @Nested
    @EnabledIf("dev.sluice.executor.cuda.CudaExecutorContractTest#everyFormat")
    class InFp8 extends JudgedByItself {
        InFp8() {
            super("mistral-sliding-window", 255, QuantizationChoice.FP8);
        }
    }

    /** The emulated GPU takes minutes for all; {@code -Dcontract.formats=true} has it do so. */
    static boolean everyFormat() {
        return TestGpu.isReal() || Boolean.getBoolean("contract.formats");
    }
}
