package dev.sluice.executor.cuda.kernels;

import dev.sluice.executor.cuda.driver.CudaFunction;

/** A kernel for matrix products, loaded onto the device. */
public record LoadedTile(ProductTile tile, CudaFunction function) {}
