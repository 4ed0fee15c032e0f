/**
 * Offload: {@code CudaTransfers} copies blocks between the device and pinned host pages on streams of its own, {@code PageSeals}
 * writes and checks their seals.
 */
@NullMarked
package dev.sluice.executor.cuda.copies;

import org.jspecify.annotations.NullMarked;
