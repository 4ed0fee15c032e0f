package dev.sluice.executor;

/**
 * The furnace: takes work orders, one at a time and in order, and answers with sampled tokens.
 *
 * <p>An executor knows nothing of requests, clients or time. For each scheduled sequence it writes keys and values of
 * the given positions through the block table, attends over all positions before them, and, where asked, samples one
 * token. What a sequence yields does not depend on what it is batched with, or on how its positions are cut into steps.
 */
public interface ModelExecutor extends AutoCloseable {

    ExecutorSpec spec();

    /**
     * Starts one step. At most one step may be unfinished when this is called. The plan and the arrays it refers to
     * stay untouched by the caller until {@link PendingStep#join} has returned.
     *
     * @throws ExecutorException if the step cannot even start
     */
    PendingStep submit(StepPlan plan);

    /** Releases device, memory and threads; idempotent. */
    @Override
    void close();
}
