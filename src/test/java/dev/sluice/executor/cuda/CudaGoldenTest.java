package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.StepResult;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.GoldenModel.Case;
import dev.sluice.testkit.GoldenModel.Expected;
import dev.sluice.testkit.ModelFixtures;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Log-probabilities and greedy continuations against a float64 reference, in the 16 bits that the device computes in. */
class CudaGoldenTest {

    private static final CudaSettings SETTINGS = new CudaSettings(0, 512, 256, 4, 16, 64, 0.9, QuantizationChoice.AUTO);
    private static final double TOLERANCE = 0.25; // root mean square, of logits that differ by 2 to 8: bf16 all the way
    private static final double SURE = 0.5; // margin of a choice that rounding cannot turn
    private static final int ALTERNATIVES = 20;

    @TempDir
    Path scratch;

    /** All but the one whose heads are smaller than any kernel's. */
    static List<String> models() {
        return ModelFixtures.TINY.stream()
                .filter(name -> !name.equals("smollm2-9-heads"))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("models")
    void logprobsAndGreedyIdsAreThoseOfTheReference(String name) {
        TestGpu gpu = TestGpu.fresh();
        assumeTrue(gpu != null, TestGpu.MISSING);
        compare(gpu, name, SETTINGS);
    }

    /** Hopper has matrix products of its own, here chosen by measuring them, and kernels that begin early. */
    @Test
    void theReferenceIsMetWithMeasuredProductsToo() {
        TestGpu gpu = TestGpu.fresh();
        assumeTrue(gpu != null, TestGpu.MISSING);
        if (gpu.fake() != null) {
            gpu.fake().capability(90);
        }
        CudaSettings measured = new CudaSettings(
                0, 512, 24, 2, 16, 64, 0.9, QuantizationChoice.AUTO, null, true, true, TestGpu.cublasLibrary());
        String start = compare(gpu, "llama-tied", measured);
        if (gpu.fake() != null) {
            assertThat(start).contains("gemm_wgmma_8x32_bf16 ").contains(" early");
            assertThat(gpu.fake().log()).contains("_bf16_silu_mul grid").doesNotContain("cuLaunchKernel silu_mul_bf16");
        }
    }

    /** Returns the calls of the start, as far as they are known. */
    private String compare(TestGpu gpu, String name, CudaSettings settings) {
        try (GoldenModel golden = GoldenModel.open(name, scratch);
                CudaExecutor executor = gpu.open(golden.model(), settings)) {
            String start = "";
            if (gpu.fake() != null) {
                start = gpu.fake().log();
                gpu.fake().clearLog();
            }
            PlanDriver driver = new PlanDriver(executor);
            for (Case test : golden.cases()) {
                for (Expected expected : test.expected()) {
                    checkLogprobs(driver, test, expected);
                }
                Run run = driver.start(test.prompt());
                driver.generate(test.greedy().length, 100, run);
                int sure = 0;
                while (sure < test.greedy().length && test.margins()[sure] > SURE) {
                    sure++;
                }
                assertThat(Arrays.copyOf(run.output(), sure))
                        .as(test.name())
                        .isEqualTo(Arrays.copyOf(test.greedy(), sure));
                driver.release(run);
            }
            return start;
        }
    }

    private static void checkLogprobs(PlanDriver driver, Case test, Expected expected) {
        Run run = driver.start(Arrays.copyOf(test.prompt(), expected.position() + 1));
        run.sampling = new SamplingParams.Builder().logprobs(ALTERNATIVES).build();
        driver.begin();
        driver.schedule(run, run.promptLength);
        StepResult result = driver.submit();
        assertThat(result.failure(0)).isNull();
        TokenLogprobs logprobs = result.logprobs(0, 0);
        assertThat(logprobs.topIds()).startsWith(result.lastToken(0)).doesNotHaveDuplicates();
        // Differences between logits are those between log-probabilities, whether the reference gives all logits or
        // ten.
        int best = indexOf(expected.ids(), logprobs.topIds()[0]);
        double errors = 0;
        int found = 0;
        for (int i = 1; i < ALTERNATIVES; i++) {
            int at = indexOf(expected.ids(), logprobs.topIds()[i]);
            if (at >= 0) {
                double reference = expected.logits()[at] - expected.logits()[best];
                double error = logprobs.topLogprobs()[i] - logprobs.topLogprobs()[0] - reference;
                errors += error * error;
                found++;
            }
        }
        assertThat(found).as("ids that the reference has too").isGreaterThan(5);
        assertThat(Math.sqrt(errors / found))
                .as("%s at position %d", test.name(), expected.position())
                .isLessThan(TOLERANCE);
        driver.release(run);
    }

    private static int indexOf(int[] ids, int id) {
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] == id) {
                return i;
            }
        }
        return -1;
    }

    @Test
    void aModelThatNoKernelIsMadeForIsRefusedWithASentence() {
        TestGpu gpu = TestGpu.fresh();
        assumeTrue(gpu != null, TestGpu.MISSING);
        try (GoldenModel golden = GoldenModel.open("smollm2-9-heads", scratch)) {
            assertThatThrownBy(() -> gpu.open(golden.model(), SETTINGS))
                    .isInstanceOf(CudaUnavailableException.class)
                    .hasMessage(
                            "the CUDA executor has attention kernels for heads of [16, 32, 64, 128] elements in bf16,"
                                    + " not 8");
        }
    }
}
