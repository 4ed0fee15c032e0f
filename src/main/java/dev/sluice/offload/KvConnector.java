package dev.sluice.offload;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import java.util.List;

/**
 * The port to key/value blocks beyond the device; the scheduler's side of vLLM's KV connector. All calls come from the
 * scheduler's thread and return at once. It may fail at any moment; the worst that may follow is recomputation.
 */
public interface KvConnector extends AutoCloseable {

    /** Answer of {@link #onAllocated}: no asynchronous load has begun. */
    long NO_JOB = 0;

    /**
     * Answer of {@link #onAllocated}: what was matched cannot be loaded after all. The request is admitted as if nothing had
     * been found; the blocks of this call are taken back.
     */
    long NOT_LOADED = -1;

    /** False if there is nothing to ask: no lookup is counted then. */
    default boolean isPresent() {
        return true;
    }

    /**
     * True if loads run beside the steps: the request waits for its load outside of the batch. False if they are part of
     * the step that admits the request; then {@link #match} must leave at least one token to compute.
     */
    default boolean loadsAsynchronously() {
        return false;
    }

    /** A request was taken in. */
    void onNewRequest(ConnectorRequest request);

    /**
     * What can be loaded beyond {@code localTokens}, which were found on the device. May be called many times for one request.
     * The first time the request counts as one that asks for its prefix; each time what is held of it counts as used, and what
     * only a slow tier holds may begin to come nearer: then the answer is to ask again.
     */
    ExternalMatch match(ConnectorRequest request, int localTokens);

    /**
     * A request was admitted: to the batch, or to waiting for its asynchronous load, in which case a second call follows
     * when it enters the batch.
     *
     * @param blocks its whole block table; valid only during the call
     * @param externalTokens tokens to load into the blocks after the local hit; 0 when nothing is due
     * @return the job of the asynchronous load that is due now, {@link #NO_JOB}, or {@link #NOT_LOADED}
     */
    long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens);

    /** A request is about to lose its blocks to others; what it computed can be stored one last time. */
    default void onPreempted(ConnectorRequest request, int[] blocks, int blockCount) {}

    /** Packages this step's copies and resets the per-step state; called once per step after all decisions. */
    TransferPlan planTransfers(StepView step);

    /**
     * Copies have ended; also called with none, so that time limits can be looked at.
     *
     * @return what the scheduler has to act on
     */
    LoadReport onTransfers(List<FinishedTransfer> finished);

    /**
     * A request has ended, once for each {@link #onNewRequest}, scheduled or not. Its blocks are free after this call; what
     * is still copied from them is protected by {@link #planTransfers}, whose plans wait for it before they are written.
     */
    void onFinished(ConnectorRequest request, int[] blocks, int blockCount);

    /** True while work is pending that needs the loop to keep turning. */
    boolean hasPendingWork();

    /** Forgets everything stored; what copies under way store is not kept either. */
    void reset();

    /** Stops what it runs beside the loop; called after the last turn, idempotent. */
    @Override
    default void close() {}
}
