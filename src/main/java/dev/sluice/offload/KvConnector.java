package dev.sluice.offload;

import dev.sluice.kv.TransferPlan;
import dev.sluice.kv.TransferReport;

/**
 * The port to key/value blocks beyond the device; the scheduler's side of vLLM's KV connector. All calls come from the
 * scheduler's thread. It may fail at any moment; the worst that may follow is recomputation.
 */
public interface KvConnector {

    /** Answer of {@link #match}: no answer yet, ask again next step. */
    int ASK_AGAIN = -1;

    /** False if there is nothing to ask: no lookup is counted then. */
    default boolean isPresent() {
        return true;
    }

    /** A request was taken in. */
    void onNewRequest(ConnectorRequest request);

    /**
     * How many tokens beyond {@code localTokens} can be loaded. May be called many times for one request and must have
     * no lasting effect.
     *
     * @return {@link #ASK_AGAIN}, or the number of tokens, which must leave at least one to compute
     */
    int match(ConnectorRequest request, int localTokens);

    /**
     * A request was admitted.
     *
     * @param blocks its whole block table; valid only during the call
     * @param externalTokens tokens to load into the blocks after the local hit; 0 when nothing is due
     */
    void onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens);

    /** Packages this step's copies and resets the per-step state; called once per step after all decisions. */
    TransferPlan planTransfers(StepView step);

    /** What the executor reported, before the scheduler acts on it. */
    void onTransfers(TransferReport report);

    /**
     * A request has ended, once for each {@link #onNewRequest}, scheduled or not.
     *
     * @return true if its blocks must stay until the executor reports the sending as finished
     */
    boolean onFinished(ConnectorRequest request, int[] blocks, int blockCount);

    /** True while work is pending that needs the loop to keep turning. */
    boolean hasPendingWork();

    /** Forgets everything stored. */
    void reset();
}
