package dev.sluice.executor.cpu;

/**
 * How the CPU executor is sized.
 *
 * @param threads threads that compute, the calling one included
 * @param maxBatchedTokens positions that one step usually brings; larger steps are computed in several passes
 * @param maxSequences sequences that one step usually brings
 */
public record CpuSettings(int threads, int maxBatchedTokens, int maxSequences) {

    private static final int THREADS_MAX = 1024;

    /** @throws IllegalArgumentException if a number is not positive, or threads exceed 1024 */
    public CpuSettings {
        if (threads < 1 || threads > THREADS_MAX) {
            throw new IllegalArgumentException("cpu threads must be between 1 and " + THREADS_MAX + ", was " + threads);
        }
        if (maxBatchedTokens < 1 || maxSequences < 1) {
            throw new IllegalArgumentException("batched tokens and sequences must be at least 1, were "
                    + maxBatchedTokens + " and " + maxSequences);
        }
    }
}
