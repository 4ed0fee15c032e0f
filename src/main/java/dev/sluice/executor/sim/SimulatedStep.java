package dev.sluice.executor.sim;

import dev.sluice.executor.PendingStep;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A step that is computed as late as possible, when somebody waits for it or for one after it: whoever touches its plan too
 * early is found out. It remembers its answers for the lines of the next step that await them.
 */
final class SimulatedStep implements PendingStep {

    final StepPlan plan;
    final StepResult result;
    private final long number;
    private final long[] sequences;
    private final int[] tokens; // of its own: the step after the next one takes the result away
    private final Consumer<SimulatedStep> computation;
    private @Nullable SimulatedStep before;
    private @Nullable RuntimeException failure;
    private boolean over;

    /** @param before the step submitted before this one, if there was any */
    SimulatedStep(
            StepPlan plan, StepResult result, @Nullable SimulatedStep before, Consumer<SimulatedStep> computation) {
        this.plan = plan;
        this.result = result;
        this.before = before;
        this.computation = computation;
        number = plan.step();
        sequences = new long[plan.size()];
        tokens = new int[plan.size()];
        Arrays.fill(tokens, StepResult.NO_TOKEN);
        for (int i = 0; i < sequences.length; i++) {
            sequences[i] = plan.get(i).sequence;
        }
        result.begin(plan);
    }

    /** True if the step before has not been computed yet. */
    boolean waitsForAnother() {
        return before != null && !before.over;
    }

    /** True if the plan is still the one that was submitted. */
    boolean isUntouched() {
        return plan.step() == number && plan.size() == sequences.length;
    }

    /** Computes what was submitted before, and then this. */
    void finish() {
        if (over) {
            return;
        }
        over = true;
        if (before != null) {
            before.finish();
        }
        try {
            computation.accept(this);
            for (int i = 0; i < tokens.length; i++) {
                tokens[i] = result.lastToken(i);
            }
        } catch (RuntimeException e) {
            failure = e;
        }
        before = null;
    }

    /** True if this line of the plan may await what it says: the answer to the same sequence in the step before. */
    boolean mayAwait(ScheduledSequence line) {
        return before != null
                && line.awaited >= 0
                && line.awaited < before.sequences.length
                && before.sequences[line.awaited] == line.sequence;
    }

    /** The id that a line awaits; {@link StepResult#NO_TOKEN} if the step before has failed, or its line. */
    int awaitedToken(ScheduledSequence line) {
        return before == null ? StepResult.NO_TOKEN : before.tokens[line.awaited];
    }

    @Override
    public StepResult join() {
        finish();
        if (failure != null) {
            throw failure;
        }
        return result;
    }
}
