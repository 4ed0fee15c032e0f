package dev.sluice.scheduler;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.ResultCheck;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import org.jspecify.annotations.Nullable;

/** One step from its plan to its result: what was decided, the work order, and whether it has begun. Reused. */
final class Step {

    final Batch batch = new Batch();
    final StepPlan plan = new StepPlan();

    /** Since when it is, or was, the step that everybody waits for. */
    long startNanos;

    private @Nullable PendingStep pending;
    private @Nullable RuntimeException refusal;

    void begun(@Nullable PendingStep step) {
        pending = step;
        refusal = step == null
                ? new ExecutorException(ExecutorException.Scope.STEP, "the executor gave no step to wait for")
                : null;
    }

    /** The executor did not take it. */
    void refused(RuntimeException reason) {
        pending = null;
        refusal = reason;
    }

    boolean runs() {
        return pending != null;
    }

    /** Waits for the result, and compares it with the plan; throws what the executor has thrown, if only at the beginning. */
    StepResult join() {
        if (refusal != null) {
            throw refusal;
        }
        PendingStep step = pending;
        if (step == null) {
            throw new IllegalStateException("step " + plan.step() + " was never begun");
        }
        pending = null;
        StepResult result = step.join();
        String problem = ResultCheck.problem(plan, result);
        if (problem != null) {
            throw new ExecutorException(
                    ExecutorException.Scope.STEP, "the result is not the answer to its plan: " + problem);
        }
        return result;
    }
}
