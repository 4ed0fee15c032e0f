package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaDevice;
import dev.sluice.executor.cuda.driver.CudaDriver;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.kernels.KernelImages;
import dev.sluice.model.Model;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The GPU that tests of the executor run on: the machine's own if there is one, else an emulated one, which is the fake
 * driver with the kernels compiled by g++.
 */
public final class TestGpu {

    public static final String MISSING = "no GPU, and no C compiler to emulate one";

    /** To the end: tests open hundreds of executors, and each would else make the primary context and destroy it. */
    private static final @Nullable CudaContext HELD = hold(CudaDriver.LIBRARY);

    private final @Nullable FakeCuda fake;

    private TestGpu(@Nullable FakeCuda fake) {
        this.fake = fake;
    }

    /** The first device of a driver, in use until it is closed; null if there is none. */
    static @Nullable CudaContext hold(String library) {
        try {
            CudaDriver driver = CudaDriver.open(library);
            return new CudaContext(driver, driver.device(0));
        } catch (CudaUnavailableException e) {
            return null;
        }
    }

    /** True on a machine with a GPU of its own. */
    public static boolean isReal() {
        return HELD != null;
    }

    /** Where cuBLASLt is, in the variable of the environment that a server reads too; empty if nobody said it. */
    public static String cublasLibrary() {
        return Objects.requireNonNullElse(System.getenv("SLUICE_EXECUTOR_CUDA_CUBLASLIBRARY"), "");
    }

    /** Compute capability of the machine's own GPU: tens are major. */
    static int capability() {
        CudaDevice device = CudaDriver.open(CudaDriver.LIBRARY).device(0);
        return 10 * device.major() + device.minor();
    }

    /** Null on a machine without any. */
    public static @Nullable TestGpu fresh() {
        if (HELD != null) {
            return new TestGpu(null);
        }
        FakeCuda fake = FakeCuda.fresh();
        Path kernels = EmulatedGpu.library();
        if (fake == null || kernels == null) {
            return null;
        }
        fake.capability(80);
        fake.emulate(kernels);
        return new TestGpu(fake);
    }

    /** The fake driver; null on the machine's own GPU. */
    @Nullable
    public FakeCuda fake() {
        return fake;
    }

    /** The device in use, for what is not an executor. */
    public CudaContext context() {
        CudaDriver driver = CudaDriver.open(fake == null ? CudaDriver.LIBRARY : FakeCuda.library());
        return new CudaContext(driver, driver.device(0));
    }

    public KernelImages images() {
        return fake == null ? KernelImages.here(null) : new KernelImages(file -> new byte[64], List.of(), null);
    }

    public CudaExecutor open(Model model, CudaSettings settings) {
        String library = fake == null ? CudaDriver.LIBRARY : FakeCuda.library();
        return CudaExecutor.open(library, images(), model.spec(), model.weights(), settings);
    }
}
