package dev.sluice.offload;

/** What a connector may know of a step that is about to run. */
public interface StepView {

    /** Number of scheduled sequences. */
    int size();

    /** A scheduled request; its {@link ConnectorRequest#computedTokens} do not count this step's tokens yet. */
    ConnectorRequest request(int index);

    /** Tokens scheduled for that request in this step. */
    int scheduledTokens(int index);

    /** The request's block table; valid only during the call. */
    int[] blocks(int index);

    int blockCount(int index);
}
