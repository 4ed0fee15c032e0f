package dev.sluice.executor;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import java.util.List;

/**
 * Runs the model: takes step plans, one at a time and in order, and answers with sampled tokens.
 *
 * <p>An executor knows nothing of requests, clients or time. For each scheduled sequence it writes keys and values of
 * the given positions through the block table, attends over all positions before them, and, where asked, samples what
 * follows. What a sequence yields does not depend on what it is batched with, or on how its positions are cut into steps.
 */
public interface ModelExecutor extends AutoCloseable {

    ExecutorSpec spec();

    /**
     * True if a step may be submitted while the one before runs, with lines that {@link ScheduledSequence#awaited await} its
     * tokens. False if that would gain nothing: then no line may await anything.
     */
    default boolean runsBesideItsCaller() {
        return false;
    }

    /**
     * Starts one step, which may consist of copies alone. At most one step may be unfinished when this is called; steps are
     * joined in the order of their submission. The plan and what the arrays it refers to hold for it stay untouched by the
     * caller until {@link PendingStep#join} has returned.
     *
     * @throws ExecutorException if the step cannot even start
     */
    PendingStep submit(StepPlan plan);

    /**
     * Allocates the host memory that the copies of step plans refer to; at most once, before the first step that copies.
     * It lives as long as the executor.
     *
     * @throws ExecutorException if there is not enough memory
     */
    HostPages allocateHostPages(int count);

    /**
     * The copies that have ended since the last call, those that a joined step waited for included; never waits. Each
     * job of each plan given to {@link #submit} comes exactly once, even if the step itself failed.
     */
    List<FinishedTransfer> pollTransfers();

    /** Releases device, memory and threads; idempotent. */
    @Override
    void close();
}
