package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.weights.QuantizationChoice;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How the CUDA executor is sized.
 *
 * @param device number of the GPU, as the driver counts them
 * @param maxContext longest sequence to serve; 0 is the model's
 * @param maxBatchedTokens positions that one step usually brings; larger steps are computed in several passes
 * @param maxSequences sequences that one step usually brings
 * @param blockSize positions in a key/value block, a multiple of 16
 * @param blocks usable key/value blocks; 0 is as many as the memory holds
 * @param memoryUtilization share of the device's memory that this process may fill
 * @param quantization of linear layers
 * @param kernelCache directory for kernels that are compiled at start; null keeps none
 * @param measureProducts choose the kernels of matrix products by measuring them at start
 * @param cublas measure cuBLASLt too, if the host has it
 * @param cublasLibrary a path or a name of it, which must then be there; empty looks for it where the system's loader does
 */
public record CudaSettings(
        int device,
        int maxContext,
        int maxBatchedTokens,
        int maxSequences,
        int blockSize,
        int blocks,
        double memoryUtilization,
        QuantizationChoice quantization,
        @Nullable Path kernelCache,
        boolean measureProducts,
        boolean cublas,
        String cublasLibrary) {

    private static final int BLOCK_SIZE_UNIT = 16; // the attention kernels read keys in tiles of so many

    /** @throws IllegalArgumentException if a number cannot be served, naming its setting */
    public CudaSettings {
        if (maxBatchedTokens < 1 || maxSequences < 1) {
            throw new IllegalArgumentException("batched tokens and sequences must be at least 1, were "
                    + maxBatchedTokens + " and " + maxSequences);
        }
        if (blockSize < 1 || blockSize % BLOCK_SIZE_UNIT != 0) {
            throw new IllegalArgumentException("sluice.kv.block-size must be a multiple of " + BLOCK_SIZE_UNIT
                    + " for the CUDA executor, was " + blockSize);
        }
    }

    /** Keeps no compiled kernels, and measures nothing at start. */
    public CudaSettings(
            int device,
            int maxContext,
            int maxBatchedTokens,
            int maxSequences,
            int blockSize,
            int blocks,
            double memoryUtilization,
            QuantizationChoice quantization) {
        this(
                device,
                maxContext,
                maxBatchedTokens,
                maxSequences,
                blockSize,
                blocks,
                memoryUtilization,
                quantization,
                null,
                false,
                false,
                "");
    }
}
