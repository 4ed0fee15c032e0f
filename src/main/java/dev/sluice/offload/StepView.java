package dev.sluice.offload;

/** What a connector may know of a step that is about to run. */
public interface StepView {

    /** Number of scheduled sequences. */
    int size();

    /**
     * A scheduled request; its {@link ConnectorRequest#computedTokens} count neither this step's tokens yet nor those of a
     * step that still runs.
     */
    ConnectorRequest request(int index);

    /** Tokens behind those that this step, or one that still runs, computes. */
    int scheduledTokens(int index);

    /** The request's block table; valid only during the call. */
    int[] blocks(int index);

    int blockCount(int index);
}
