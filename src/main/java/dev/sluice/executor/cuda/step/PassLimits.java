package dev.sluice.executor.cuda.step;

/**
 * What one pass over the layers can hold at most.
 *
 * @param rows positions
 * @param lines sequences, and so answers
 * @param width blocks of a sequence
 */
public record PassLimits(int rows, int lines, int width) {

    private static final int ROWS_MAX = 16_384; // beyond this, activations take memory from keys and values for nothing

    /**
     * For steps of a usual size; larger ones are cut.
     *
     * @param batchedTokens positions that one step usually brings
     * @param sequences that one step usually brings
     * @param contextLength of the longest sequence
     * @param blockSize positions in a key/value block
     */
    public static PassLimits of(int batchedTokens, int sequences, int contextLength, int blockSize) {
        int rows = Math.min(Math.max(batchedTokens, sequences), ROWS_MAX);
        return new PassLimits(rows, Math.min(sequences, rows), Math.ceilDiv(contextLength, blockSize));
    }
}
