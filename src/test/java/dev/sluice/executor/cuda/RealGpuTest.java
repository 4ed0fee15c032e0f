package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.cuda.Numbers.Format;
import dev.sluice.executor.cuda.driver.CudaContext;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The way of the kernel tests to a real GPU, tried on the fake driver. */
class RealGpuTest {

    @Test
    void arraysTravelToTheDeviceAndBackWithTheirMargins() {
        FakeCuda fake = FakeCuda.fresh();
        Path kernels = EmulatedGpu.library();
        assumeTrue(fake != null && kernels != null, TestGpu.MISSING);
        assumeTrue(Files.exists(Path.of("target/classes/cuda/images")), "no nvcc: there are no images to load");
        fake.emulate(kernels);
        RealGpu gpu = new RealGpu(FakeCuda.library());
        Numbers table = Numbers.random(Format.BF16, 4 * 16, new Random(1), 1);
        Numbers out = Numbers.poisoned(Format.BF16, 2 * 16);
        gpu.launch("embed_16bit", 2, 1, 1, 256, 0, out, table, Numbers.ints(3, 1), null, 16, 4);
        assertThat(out.matches(0, table, 3 * 16, 16)).isTrue();
        assertThat(out.matches(16, table, 16, 16)).isTrue();
        out.checkMargins();
        assertThat(fake.live(FakeCuda.Kind.DEVICE_MEMORY)).isZero();
    }

    @Test
    void aHeldDeviceKeepsItsContextWhileOthersComeAndGo() {
        FakeCuda fake = FakeCuda.fresh();
        assumeTrue(fake != null, TestGpu.MISSING);
        CudaContext held = TestGpu.hold(FakeCuda.library());
        assertThat(held).isNotNull();
        for (int i = 0; i < 2; i++) {
            CudaContext other = TestGpu.hold(FakeCuda.library());
            assertThat(other).isNotNull();
            other.close();
            assertThat(fake.live(FakeCuda.Kind.CONTEXT)).isOne();
        }
        held.makeCurrent();
        held.close();
        assertThat(fake.live()).isZero();
    }
}
