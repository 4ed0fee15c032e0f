package dev.sluice.scheduler;

/**
 * What became of prompt tokens that were computed. Each computed prompt token is told once, so that their sum is the work
 * of all steps, less what was computed for requests that have not answered yet.
 */
public enum PromptWork {
    /** Computed for the first time, for a request that has answered with a token since. */
    ANSWERED,
    /** Computed in vain: the request ended before its first token, or the blocks below did not hold what they should. */
    WASTED,
    /** Computed because a load from the connector did not bring it. */
    RECOMPUTED_AFTER_FAILED_LOAD,
    /** Computed although the request had it before, because it lost its blocks to others. */
    RECOMPUTED_AFTER_PREEMPTION
}
