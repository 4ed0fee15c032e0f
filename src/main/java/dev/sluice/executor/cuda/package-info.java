/**
 * The executor for NVIDIA GPUs, through the driver alone. In reading order:
 *
 * <ol>
 *   <li>the driver: {@code CudaDriver}, {@code CudaDevice}, {@code CudaContext}, and what a context owns, each a
 *       {@code CudaHandle}: {@code CudaStream}, {@code CudaEvent}, {@code CudaGraph}, {@code CudaModule}, {@code DeviceBuffer},
 *       {@code PinnedBuffer}. Only here are return codes looked at ({@code CudaErrors}) and structures of C written
 *       ({@code EarlyLaunch}, {@code TensorMap}, {@code CopyBatch}); {@code CublasLt} and {@code Nvrtc} are other libraries
 *   <li>kernels: {@code KernelImages} finds them, {@code KernelCompiler} makes what is missing, {@code CudaKernels} names them;
 *       what they compute is said in {@code src/main/cuda}
 *   <li>memory: {@code MemoryPlan} shares it out, {@code WeightTable} and {@code CudaWeights} say where weights lie,
 *       {@code WeightUpload} brings them, {@code Workspace} holds what one kernel leaves for the next
 *   <li>matrix products: {@code MatrixProducts} of {@code DeviceMatrix} operands, by a {@code ProductKernel} that
 *       {@code ProductTuning} has chosen
 *   <li>a step: {@code CudaExecutor} cuts a plan into passes ({@code CudaPass}, {@code PassLayout}), {@code CudaForward} takes
 *       them through the layers ({@code ProductInputs}, {@code CudaAttention} with the {@code PrefillKernel} of
 *       {@code AttentionChoice}), eagerly or from {@code DecodeGraphs}, and {@code CudaSampler} chooses tokens
 *       ({@code SampleBatch}, {@code TokenHistory}); {@code CudaStep} is what is under way
 *   <li>offload: {@code CudaTransfers} copies blocks on streams of its own, {@code PageSeals} checks them
 * </ol>
 */
@NullMarked
package dev.sluice.executor.cuda;

import org.jspecify.annotations.NullMarked;
