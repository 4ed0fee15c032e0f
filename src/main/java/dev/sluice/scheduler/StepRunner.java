package dev.sluice.scheduler;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.BlockPool;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.KvConnector;
import dev.sluice.runtime.Clock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way to the executor and back: numbers the steps, and knows which are under way and which have failed.
 *
 * <pre>
 *   turn         k                           k + 1
 *   loop         submit n+1  join n  apply n | submit n+2  join n+1  apply n+1 | ...
 *   executor     n ------------------>n+1 -------------------------->n+2 ------
 * </pre>
 *
 * <p>Two places take turns: one for the step that is waited for, one for the step after it. Between two turns only a step
 * that was begun ahead is under way; otherwise nothing is.
 */
final class StepRunner {

    private static final Logger LOG = LoggerFactory.getLogger(StepRunner.class);

    private final ModelExecutor executor;
    private final KvConnector connector;
    private final RemoteLoads loads;
    private final LiveSequences sequences;
    private final BlockPool pool;
    private final ProbeStep probe;
    private final Clock clock;
    private Step spare = new Step();
    private Step other = new Step();
    private @Nullable Step ahead;
    private long steps;
    private int failedInARow;

    StepRunner(
            ModelExecutor executor,
            KvConnector connector,
            RemoteLoads loads,
            LiveSequences sequences,
            BlockPool pool,
            Clock clock) {
        this.executor = executor;
        this.connector = connector;
        this.loads = loads;
        this.sequences = sequences;
        this.pool = pool;
        this.clock = clock;
        probe = new ProbeStep(pool);
    }

    /** Steps begun so far. */
    long steps() {
        return steps;
    }

    /** Steps that failed as a whole since the last one that succeeded. */
    int failedInARow() {
        return failedInARow;
    }

    /** The place for the next step; empty. */
    Step spare() {
        return spare;
    }

    /** The step that was begun ahead, if there is one. */
    @Nullable
    Step ahead() {
        return ahead;
    }

    /** As {@link #ahead}; it becomes the step to wait for. */
    @Nullable
    Step takeAhead() {
        Step step = ahead;
        ahead = null;
        return step;
    }

    /** Begins what was planned into the spare place. A step that cannot even begin shows that when it is joined. */
    void submit() {
        Step step = spare;
        step.plan.setStep(++steps);
        step.plan.setTransfers(connector.planTransfers(step));
        loads.takeLost(step);
        step.fillPlan();
        sequences.advance(step);
        start(step);
        spare = other;
        other = step;
    }

    /** As {@link #submit}, while the step before runs. */
    void submitAhead() {
        Step step = spare;
        submit();
        ahead = step;
    }

    private void start(Step step) {
        try {
            step.begun(executor.submit(step.plan));
        } catch (RuntimeException e) {
            throwIfDeviceIsLost(e);
            step.refused(e);
        }
    }

    private static void throwIfDeviceIsLost(RuntimeException e) {
        if (e instanceof ExecutorException known && known.scope() == ExecutorException.Scope.DEVICE) {
            throw e;
        }
    }

    /** Waits for a step. Null if it failed; a failure of the device ends the loop. */
    @Nullable
    StepResult join(Step step) {
        boolean wasted = step.isWasted(); // then its failure may be one that was counted before
        try {
            StepResult result = step.join();
            failedInARow = wasted ? failedInARow : 0;
            return result;
        } catch (RuntimeException e) {
            throwIfDeviceIsLost(e);
            if (!wasted) {
                failedInARow++;
                probe.postpone(clock.monotonicNanos());
            }
            LOG.error("Step {} failed with {} sequences in it", step.plan.step(), step.size(), e);
            return null;
        }
    }

    /** Copies without a computation; what ends them is seen in a later turn. Returns the amount of work done. */
    int runTransfers() {
        TransferPlan transfers = connector.planTransfers(spare);
        if (transfers.isEmpty()) {
            return 0;
        }
        spare.plan.begin(++steps);
        spare.plan.setTransfers(transfers);
        start(spare);
        join(spare);
        return 1;
    }

    /** After failed steps, while nothing else is to be computed: finds out whether the executor works again. */
    int probe() {
        if (!probe.isDue(clock.monotonicNanos())) {
            return 0;
        }
        spare.plan.begin(++steps);
        int block = probe.writeTo(spare.plan);
        try {
            start(spare);
            join(spare);
        } finally {
            pool.release(block);
        }
        return 1;
    }

    /** Waits for whatever is under way, in the order of its submission; nobody wants to know the outcome any more. */
    void abandon() {
        ahead = null;
        abandon(spare);
        abandon(other);
    }

    private static void abandon(Step step) {
        try {
            if (step.runs()) {
                step.join();
            }
        } catch (RuntimeException e) {
            LOG.warn("Step {} was abandoned, and failed: {}", step.plan.step(), e.getMessage());
        }
        step.clear();
    }
}
