/**
 * Compiled kernels: {@code KernelImages} finds them in the jar, {@code KernelCompiler} makes what is missing, {@code CudaKernels}
 * names them and loads those that a model needs. What they compute is said in {@code src/main/cuda}.
 */
@NullMarked
package dev.sluice.executor.cuda.kernels;

import org.jspecify.annotations.NullMarked;
