/**
 * The executor for NVIDIA GPUs, through the driver alone. Its rooms, each of which knows only those before it:
 *
 * <ol>
 *   <li>{@code driver}: the driver's functions, and what they own
 *   <li>{@code kernels}: compiled kernels, by name
 *   <li>{@code products}: matrix products, by the kernel that was measured to be the fastest
 *   <li>{@code weights}: where weights lie, and how they come there
 *   <li>{@code step}: rows through the layers, and tokens from logits
 *   <li>{@code copies}: blocks to host memory and back, beside the steps; knows the driver alone
 * </ol>
 *
 * <p>Here they are put together: {@code CudaExecutor} cuts a plan into passes, {@code CudaStep} is what is under way.
 * {@code CudaRank} is one GPU and all that is on it, {@code RankPlan} and {@code MemoryPlan} count that before it is taken.
 */
@NullMarked
package dev.sluice.executor.cuda;

import org.jspecify.annotations.NullMarked;
