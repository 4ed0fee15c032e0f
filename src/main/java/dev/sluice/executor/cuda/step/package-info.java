/**
 * A step on the device: {@code CudaPass} holds the rows that go through the layers together, {@code CudaForward} takes them there
 * ({@code ProductInputs}, {@code CudaAttention} with the {@code PrefillKernel} of {@code AttentionChoice}), eagerly or from {@code DecodeGraphs}, and {@code CudaSampler} chooses tokens
 * ({@code SampleBatch}, {@code TokenHistory}). {@code Workspace} is the memory that one kernel leaves for the next.
 */
@NullMarked
package dev.sluice.executor.cuda.step;

import org.jspecify.annotations.NullMarked;
