package dev.sluice.offload;

/** What a connector may know of a step that is about to run. */
public interface StepView {

    /** Number of scheduled sequences. */
    int size();

    ConnectorRequest request(int index);

    /** Tokens scheduled for that sequence in this step. */
    int scheduledTokens(int index);

    /** The sequence's block table; valid only during the call. */
    int[] blocks(int index);

    int blockCount(int index);

    /** Sequences that lost their blocks in this step. */
    int preemptedCount();

    long preempted(int index);
}
