package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.kernels.KernelImages;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.model.Model;
import dev.sluice.testkit.GoldenModel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** What an executor says of its start: on the fake driver, with the fake compiler. */
class CudaExecutorStartTest {

    private static final CudaSettings SETTINGS = new CudaSettings(0, 256, 64, 12, 16, 60, 0.9, QuantizationChoice.AUTO);

    @TempDir
    Path directory;

    @Test
    void anExecutorStartsWithKernelsThatItsHostHasCompiledAndSaysSo() {
        FakeCuda cuda = FakeCuda.fresh();
        FakeNvrtc nvrtc = FakeNvrtc.fresh();
        assumeTrue(cuda != null && nvrtc != null, FakeNvrtc.MISSING);
        Logger logger = (Logger) LoggerFactory.getLogger(CudaRank.class);
        ListAppender<ILoggingEvent> log = new ListAppender<>();
        log.start();
        logger.addAppender(log);
        logger.setLevel(Level.INFO);
        try (GoldenModel golden = GoldenModel.open("llama-tied", directory.resolve("model"))) {
            for (int start = 0; start < 2; start++) {
                KernelImages images =
                        new KernelImages(file -> null, FakeNvrtc.libraries(), directory.resolve("kernels"));
                Model model = golden.model();
                CudaExecutor.open(FakeCuda.library(), images, model.spec(), model.weights(), SETTINGS)
                        .close();
            }
        } finally {
            logger.detachAppender(log);
            logger.setLevel(null);
        }
        long files = nvrtc.compilations();
        assertThat(files).isGreaterThan(5);
        assertThat(log.list.stream().map(ILoggingEvent::getFormattedMessage).filter(line -> line.contains("kernels")))
                .satisfiesExactly(
                        first -> assertThat(first)
                                .startsWith("CUDA kernels: 0 files from the jar, " + files + " compiled for sm_90a"),
                        second -> assertThat(second)
                                .startsWith("CUDA kernels: 0 files from the jar, 0 compiled")
                                .endsWith(files + " compiled before"));
    }

    private CudaExecutor openNaming(String cublas) {
        try (GoldenModel golden = GoldenModel.open("llama-tied", directory.resolve("named"))) {
            Model model = golden.model();
            CudaSettings settings =
                    new CudaSettings(0, 256, 24, 2, 16, 20, 0.9, QuantizationChoice.AUTO, null, true, true, cublas);
            return CudaExecutor.open(
                    FakeCuda.library(),
                    new KernelImages(file -> new byte[64], List.of(), null),
                    model.spec(),
                    model.weights(),
                    settings);
        }
    }

    @Test
    void aCublasLtThatIsNamedTakesPart() {
        FakeCuda cuda = FakeCuda.fresh();
        FakeCublasLt cublas = FakeCublasLt.fresh();
        assumeTrue(cuda != null && cublas != null, TestGpu.MISSING);
        try (CudaExecutor executor = openNaming(FakeCublasLt.path())) {
            assertThat(executor.spec().device()).startsWith("Fake 0");
            assertThat(cublas.alive()).isPositive();
        }
        assertThat(cublas.alive()).isZero();
    }

    /** A server that silently does without what its operator named would only be slow. */
    @Test
    void aCublasLtThatIsNamedAndNotThereEndsTheStart() {
        FakeCuda cuda = FakeCuda.fresh();
        assumeTrue(cuda != null, TestGpu.MISSING);
        assertThatThrownBy(() -> openNaming("/nowhere/libcublasLt.so.13"))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessage(
                        "sluice.executor.cuda.cublas-library is /nowhere/libcublasLt.so.13, which cannot be opened; "
                                + "leave it empty to do without");
        assertThat(cuda.live()).isZero();
    }
}
