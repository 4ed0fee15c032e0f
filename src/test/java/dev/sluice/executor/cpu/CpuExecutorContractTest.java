package dev.sluice.executor.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.ModelExecutorContract;
import dev.sluice.request.SamplingParams;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.ModelFixturesWeights;
import dev.sluice.testkit.ModelFixturesWeights.Stored;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The CPU executor keeps the contract, with and without a sliding window. */
class CpuExecutorContractTest {

    abstract static class OnTinyModel extends ModelExecutorContract {

        @TempDir
        private Path scratch;

        private final String name;
        private final int broken;
        private int opened;

        /** @param broken a token that the golden prompts and answers do not contain; its embedding is not a number */
        OnTinyModel(String name, int broken) {
            this.name = name;
            this.broken = broken;
        }

        private GoldenModel golden() {
            return GoldenModel.open(name, scratch.resolve("copy" + opened++), this::breakOneEmbedding);
        }

        private void breakOneEmbedding(Path directory) {
            SequencedMap<String, Stored> tensors = ModelFixturesWeights.load(directory);
            Stored embeddings = tensors.get("model.embed_tokens.weight");
            int rowBytes = embeddings.bytes().length / (int) embeddings.shape()[0];
            // All bits set is not a number in every floating-point type.
            Arrays.fill(embeddings.bytes(), broken * rowBytes, (broken + 1) * rowBytes, (byte) 0xFF);
            ModelFixturesWeights.save(directory, tensors);
        }

        @Override
        protected ModelExecutor open() {
            try (GoldenModel golden = golden()) {
                // 32 rows and 3 answers at once: larger steps are computed in several passes
                CpuSettings settings = new CpuSettings(2, 32, 3);
                return new CpuExecutor(golden.model().spec(), golden.model().weights(), LAYOUT, CONTEXT, settings);
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

        @Test
        void anotherSeedGivesOtherTokens() {
            try (ModelExecutor executor = open()) {
                PlanDriver driver = new PlanDriver(executor);
                Run[] runs = {driver.start(1), driver.start(1)};
                for (int i = 0; i < runs.length; i++) {
                    runs[i].sampling = new SamplingParams.Builder()
                            .temperature(1.5f)
                            .seed(i)
                            .build();
                }
                driver.generate(16, 1, runs);
                assertThat(runs[0].output()).isNotEqualTo(runs[1].output());
            }
        }
    }

    @Nested
    class WithFullAttention extends OnTinyModel {
        WithFullAttention() {
            super("llama-rope-llama3", 252);
        }
    }

    @Nested
    class WithASlidingWindow extends OnTinyModel {
        WithASlidingWindow() {
            super("mistral-sliding-window", 255);
        }
    }
}
