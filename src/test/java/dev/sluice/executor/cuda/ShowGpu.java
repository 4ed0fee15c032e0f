package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.driver.CudaDriver;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;

/** Says which GPU the checks run on, or that there is none. */
public final class ShowGpu {

    private ShowGpu() {}

    public static void main(String[] args) {
        try {
            CudaDriver driver = CudaDriver.open(CudaDriver.LIBRARY);
            System.out.println("GPU: " + driver.device(0).describe() + ", driver for CUDA " + driver.version() / 1000
                    + "." + driver.version() % 1000 / 10);
        } catch (CudaUnavailableException e) {
            System.out.println("No GPU: " + e.getMessage());
        }
    }
}
