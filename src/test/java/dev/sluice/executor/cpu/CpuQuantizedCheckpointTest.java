package dev.sluice.executor.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.sluice.kv.KvLayout;
import dev.sluice.model.DataType;
import dev.sluice.model.Model;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.QuantizedCheckpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The CPU computes with the numbers that weights of 8 bits stand for, whatever inputs they were made for. */
class CpuQuantizedCheckpointTest {

    @TempDir
    Path scratch;

    @ParameterizedTest
    @EnumSource(
            value = DataType.class,
            names = {"I8", "F8_E4M3"})
    void logitsAreThoseOfTheWeightsMultipliedOut(DataType type) {
        List<float[]> logits = new ArrayList<>();
        for (boolean multiplied : new boolean[] {false, true}) {
            try (GoldenModel golden =
                    GoldenModel.open("qwen3", scratch.resolve(multiplied ? "plain" : "scaled"), directory -> {
                        // k is left as it was: it meets q and v in one matrix.
                        QuantizedCheckpoint.write(directory, type, true, name -> !name.contains("1.self_attn.k"));
                        if (multiplied) {
                            QuantizedCheckpoint.multiplyOut(directory, type, true);
                        }
                    })) {
                logits.add(logits(golden.model(), golden.cases().get(1).prompt()));
            }
        }
        for (int i = 0; i < logits.getFirst().length; i++) {
            assertThat(logits.getFirst()[i]).isCloseTo(logits.getLast()[i], within(1e-3f));
        }
    }

    private static float[] logits(Model model, int[] prompt) {
        List<float[]> seen = new ArrayList<>();
        try (CpuExecutor executor = new CpuExecutor(
                model.spec(), model.weights(), new KvLayout(20, 16), 256, new CpuSettings(2, 512, 16))) {
            executor.observe((line, logits) -> seen.add(logits.clone()));
            PlanDriver driver = new PlanDriver(executor);
            driver.step(512, driver.start(prompt));
        }
        return seen.getFirst();
    }
}
