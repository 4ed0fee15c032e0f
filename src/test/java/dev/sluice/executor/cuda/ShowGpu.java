package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.driver.CudaDevice;
import dev.sluice.executor.cuda.driver.CudaDriver;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;

/** Says which GPU the checks run on, or that there is none, and then ends with 3. */
public final class ShowGpu {

    private static final int NO_GPU = 3;

    private ShowGpu() {}

    public static void main(String[] args) {
        try {
            CudaDriver driver = CudaDriver.open(CudaDriver.LIBRARY);
            CudaDevice device = driver.device(0);
            System.out.printf(
                    "GPU: %s, %d MiB of L2 cache, driver for CUDA %d.%d%n",
                    device.describe(), device.l2Bytes() >> 20, driver.version() / 1000, driver.version() % 1000 / 10);
        } catch (CudaUnavailableException e) {
            System.out.println("No GPU: " + e.getMessage());
            System.exit(NO_GPU);
        }
    }
}
