package dev.sluice.scheduler;

/**
 * The scheduling policy's numbers; names and defaults follow vLLM.
 *
 * @param maxSequences upper bound of the running set
 * @param maxBatchedTokens token budget of one step, at least {@code maxSequences}
 * @param longPrefillThreshold cap of new tokens per request and step; 0 is none
 * @param chunkedPrefill a prompt may be split over steps
 * @param policy order of admission and choice of victims
 * @param prefixCaching reuse blocks by content
 * @param reserveFullSequence admit only what fits as a whole into the blocks free now
 * @param watermark share of blocks, in [0, 1), kept free when a request is admitted next to running ones
 * @param loadFailurePolicy what becomes of a request whose load from the connector failed
 * @param overlap plan and begin a step while the one before runs, if the executor can
 * @param contextLength longest sequence
 * @param inboxCapacity submissions and cancellations that may wait for the next turn
 * @param connectorFailuresMax failures of the connector, each within a minute of the one before, that switch it off
 */
public record SchedulerSettings(
        int maxSequences,
        int maxBatchedTokens,
        int longPrefillThreshold,
        boolean chunkedPrefill,
        Policy policy,
        boolean prefixCaching,
        boolean reserveFullSequence,
        double watermark,
        LoadFailurePolicy loadFailurePolicy,
        boolean overlap,
        int contextLength,
        int inboxCapacity,
        int connectorFailuresMax) {

    /** Order of admission and choice of victims. */
    public enum Policy {
        /** First come, first served; the latest admitted is preempted first. */
        FCFS,
        /** By (priority, arrival); the last in that order is preempted first. */
        PRIORITY
    }

    /** What becomes of a request whose load from the connector failed. */
    public enum LoadFailurePolicy {
        /** What did not arrive is computed. */
        RECOMPUTE,
        /** The request ends with an error. */
        FAIL
    }

    /** @throws IllegalArgumentException naming the setting and its rule */
    public SchedulerSettings {
        require(maxSequences >= 1, "max-sequences must be at least 1, was " + maxSequences);
        require(
                maxBatchedTokens >= maxSequences,
                "max-batched-tokens must be at least max-sequences (" + maxSequences + "), was " + maxBatchedTokens);
        require(
                chunkedPrefill || maxBatchedTokens >= contextLength,
                "max-batched-tokens must be at least the context length (" + contextLength
                        + ") without chunked prefill, was " + maxBatchedTokens);
        require(longPrefillThreshold >= 0, "long-prefill-threshold must not be negative, was " + longPrefillThreshold);
        require(watermark >= 0 && watermark < 1, "watermark must be in [0, 1), was " + watermark);
        require(contextLength >= 1, "context-length must be at least 1, was " + contextLength);
        require(inboxCapacity >= 1, "inbox-capacity must be at least 1, was " + inboxCapacity);
        require(connectorFailuresMax >= 1, "connector-failures-max must be at least 1, was " + connectorFailuresMax);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}
