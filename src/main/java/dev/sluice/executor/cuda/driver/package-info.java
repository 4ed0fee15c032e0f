/**
 * The CUDA driver in Java: {@code CudaDriver} finds a {@code CudaDevice}, a {@code CudaContext} uses it, and what a context owns
 * are {@code CudaHandle}s: {@code CudaStream}, {@code CudaEvent}, {@code CudaGraph}, {@code CudaModule}, {@code DeviceBuffer},
 * {@code PinnedBuffer}.
 *
 * <p>Only here are the driver's return codes looked at ({@code CudaErrors}) and its structures of C written ({@code EarlyLaunch},
 * {@code TensorMap}, {@code CopyBatch}). Knows nothing of models, kernels or requests.
 */
@NullMarked
package dev.sluice.executor.cuda.driver;

import org.jspecify.annotations.NullMarked;
