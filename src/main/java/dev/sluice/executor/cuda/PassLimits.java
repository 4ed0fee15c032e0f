package dev.sluice.executor.cuda;

/**
 * What one pass over the layers can hold at most.
 *
 * @param rows positions
 * @param lines sequences, and so answers
 * @param width blocks of a sequence
 */
record PassLimits(int rows, int lines, int width) {

    private static final int ROWS_MAX = 16_384; // beyond this, activations take memory from keys and values for nothing

    static PassLimits of(CudaSettings settings, int contextLength) {
        int rows = Math.min(Math.max(settings.maxBatchedTokens(), settings.maxSequences()), ROWS_MAX);
        int width = (contextLength + settings.blockSize() - 1) / settings.blockSize();
        return new PassLimits(rows, Math.min(settings.maxSequences(), rows), width);
    }
}
