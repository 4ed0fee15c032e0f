/**
 * Offload: {@code CudaTransfers} copies blocks between the device and pinned host pages on streams of its own, {@code PageChecksums}
 * writes and checks their checksums.
 */
@NullMarked
package dev.sluice.executor.cuda.copies;

import org.jspecify.annotations.NullMarked;
