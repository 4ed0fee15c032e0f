package dev.sluice.executor.cuda.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.cuda.CudaExecutor;
import dev.sluice.executor.cuda.CudaSettings;
import dev.sluice.executor.cuda.EmulatedGpu;
import dev.sluice.executor.cuda.FakeCuda;
import dev.sluice.executor.cuda.TestGpu;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.ModelFixturesWeights;
import dev.sluice.testkit.PlanDriver;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which kernel does prefill attention: the one for Hopper only if its bits are those of the other one. */
class AttentionChoiceTest {

    private static final String WARP = "paged_attention_prefill_";
    private static final String WGMMA = "paged_attention_prefill_wgmma_";

    private TestGpu gpu;
    private FakeCuda cuda;

    @BeforeEach
    void onAnEmulatedGpu() {
        assumeTrue(!TestGpu.isReal(), "the machine's own GPU cannot be told how to add up");
        TestGpu fresh = TestGpu.fresh();
        assumeTrue(fresh != null, TestGpu.MISSING);
        gpu = fresh;
        cuda = Objects.requireNonNull(fresh.fake());
        cuda.capability(90);
    }

    @AfterEach
    void addsUpAsOneWarpAgain() {
        EmulatedGpu.addInHalves(false);
    }

    private String chosen(HalfType type, int headDim) {
        try (CudaContext context = gpu.context()) {
            CudaKernels kernels = new CudaKernels(context, gpu.images(), type, headDim, ElementFormat.HALF);
            CudaStream stream = CudaStream.create(context, 0);
            return new AttentionChoice(kernels, stream, type, headDim)
                    .run()
                    .function()
                    .name();
        } finally {
            assertThat(cuda.live()).as("what was taken from the device").isZero();
        }
    }

    @ParameterizedTest
    @CsvSource({"BF16, 64", "BF16, 128", "FP16, 64", "FP16, 128"})
    void theKernelForHopperIsUsedIfItsBitsAreEqual(HalfType type, int headDim) {
        assertThat(chosen(type, headDim)).isEqualTo(WGMMA + type.suffix() + "_" + headDim);
    }

    @ParameterizedTest
    @CsvSource({"BF16, 64", "BF16, 128", "FP16, 64", "FP16, 128"})
    void itIsLeftOutIfTheDeviceAddsUpOtherwiseInIt(HalfType type, int headDim) {
        EmulatedGpu.addInHalves(true);
        assertThat(chosen(type, headDim)).isEqualTo(WARP + type.suffix() + "_" + headDim);
    }

    @Test
    void itIsLeftOutIfItCannotBeLaunched() {
        cuda.fail("cuTensorMapEncodeTiled", 1, 0);
        assertThat(chosen(HalfType.BF16, 64)).isEqualTo(WARP + "bf16_64");
    }

    @Test
    void otherGpusAndOtherHeadsHaveOneKernel() {
        assertThat(chosen(HalfType.BF16, 32)).isEqualTo(WARP + "bf16_32");
        cuda.capability(80);
        assertThat(chosen(HalfType.BF16, 64)).isEqualTo(WARP + "bf16_64");
        cuda.capability(100);
        assertThat(chosen(HalfType.BF16, 64)).isEqualTo(WARP + "bf16_64");
    }

    @ParameterizedTest
    @CsvSource({"false", "true"})
    void theStartGoesOnAndBlocksKeepTheirFormat(boolean otherwise, @TempDir Path scratch) {
        EmulatedGpu.addInHalves(otherwise);
        CudaSettings settings = new CudaSettings(0, 64, 64, 2, 16, 8, 0.9, QuantizationChoice.NONE);
        try (GoldenModel golden = GoldenModel.open("llama-rope-llama3", scratch, ModelFixturesWeights::widenHeadsTo64);
                CudaExecutor executor = gpu.open(golden.model(), settings)) {
            assertThat(executor.spec().blockFormat()).isEqualTo("cuda-bf16-wgmma-2");
            cuda.clearLog();
            PlanDriver driver = new PlanDriver(executor);
            PlanDriver.Run run = driver.start(new int[40]);
            driver.generate(1, Integer.MAX_VALUE, run);
            assertThat(run.output()).hasSize(1);
            assertThat(cuda.log().contains(WGMMA)).isEqualTo(!otherwise);
            assertThat(cuda.log().contains(WARP + "bf16_64")).isEqualTo(otherwise);
        }
    }
}
