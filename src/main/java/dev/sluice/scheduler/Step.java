package dev.sluice.scheduler;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.ResultCheck;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.StepView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One step from the first decision to its result: the plan that the executor gets, and what the scheduler has to remember
 * of each of its lines. Reused.
 */
final class Step implements StepView {

    private static final int NOTHING_REGISTERED = Integer.MAX_VALUE;

    final StepPlan plan = new StepPlan();

    /** Since when it is, or was, the step that everybody waits for. */
    long startNanos;

    private final List<Sequence> sequences = new ArrayList<>(); // of each line of the plan
    private int[] registeredBefore = new int[16];
    private boolean[] admitted = new boolean[16];
    private boolean[] inVain = new boolean[16];
    private boolean loads;
    private @Nullable PendingStep pending;
    private @Nullable RuntimeException refusal;

    void clear() {
        plan.begin(0);
        sequences.clear();
        loads = false;
    }

    /**
     * Adds the next tokens of a sequence that runs already.
     *
     * @param registered registered blocks before the step: what it adds is taken back from here
     */
    void add(Sequence sequence, int count, int registered) {
        add(sequence, count, registered, false, ScheduledSequence.NOTHING);
    }

    /** As {@link #add} for a sequence that is admitted with this step. */
    void addAdmitted(Sequence sequence, int count, int registered) {
        add(sequence, count, registered, true, ScheduledSequence.NOTHING);
    }

    /** As {@link #add} for one token more than is known: the one that the given line of the step before is about to yield. */
    void addAwaiting(Sequence sequence, int line) {
        add(sequence, 1, NOTHING_REGISTERED, false, line);
    }

    private void add(Sequence sequence, int count, int registered, boolean isAdmitted, int awaited) {
        int index = sequences.size();
        if (index == registeredBefore.length) {
            registeredBefore = Arrays.copyOf(registeredBefore, index * 2);
            admitted = Arrays.copyOf(admitted, index * 2);
            inVain = Arrays.copyOf(inVain, index * 2);
        }
        registeredBefore[index] = registered;
        admitted[index] = isAdmitted;
        inVain[index] = false;
        sequences.add(sequence);
        plan.add(count).awaited = awaited;
    }

    /** The line of a sequence, or -1 if it is not in. */
    int indexOf(Sequence sequence) {
        return sequences.indexOf(sequence);
    }

    /** Takes a line out of the step again. */
    void remove(int index) {
        int left = sequences.size() - index - 1;
        System.arraycopy(registeredBefore, index + 1, registeredBefore, index, left);
        System.arraycopy(admitted, index + 1, admitted, index, left);
        System.arraycopy(inVain, index + 1, inVain, index, left);
        sequences.remove(index);
        plan.remove(index);
    }

    /** A part of what the step builds on is loaded with it, and may turn out not to have arrived. */
    void addLoad() {
        loads = true;
    }

    boolean loads() {
        return loads;
    }

    Sequence get(int index) {
        return sequences.get(index);
    }

    /** Tokens that the line computes. */
    int count(int index) {
        return plan.get(index).count;
    }

    /** What the line computes is in vain: its sequence has lost blocks, or never had what they were to hold. */
    void setInVain(int index) {
        inVain[index] = true;
    }

    boolean isInVain(int index) {
        return inVain[index];
    }

    /** True if the line is the first one of its sequence since it was admitted. */
    boolean isAdmitted(int index) {
        return admitted[index];
    }

    /** The first block that the line may have registered. */
    int registeredBefore(int index) {
        return registeredBefore[index];
    }

    /** True if the line was planned ahead: then what it computes is registered with its result, since its id was not known. */
    boolean isAhead(int index) {
        return plan.get(index).awaited != ScheduledSequence.NOTHING;
    }

    /** True if the line was planned ahead for a sequence that has ended, or lost its blocks, since then. */
    boolean isWasted(int index) {
        return isAhead(index) && !sequences.get(index).isRunning();
    }

    /** True if nobody waits for any line any more. */
    boolean isWasted() {
        for (int i = 0; i < sequences.size(); i++) {
            if (!isWasted(i)) {
                return false;
            }
        }
        return !sequences.isEmpty();
    }

    /** Completes the lines of the plan, as their sequences are now. */
    void fillPlan() {
        for (int i = 0; i < sequences.size(); i++) {
            Sequence sequence = sequences.get(i);
            ScheduledSequence line = plan.get(i);
            line.sequence = sequence.sequence();
            line.sampling = sequence.request().sampling();
            line.promptLength = sequence.promptLength();
            line.tokens = sequence.tokens();
            line.tokenCount = sequence.tokenCount() + (isAhead(i) ? 1 : 0);
            line.start = sequence.computed;
            line.blocks = sequence.table().blocks();
            line.blockCount = sequence.table().size();
        }
    }

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

    @Override
    public int size() {
        return sequences.size();
    }

    @Override
    public ConnectorRequest request(int index) {
        return sequences.get(index);
    }

    @Override
    public int scheduledTokens(int index) {
        return count(index) + sequences.get(index).unsettled;
    }

    @Override
    public int[] blocks(int index) {
        return sequences.get(index).table().blocks();
    }

    @Override
    public int blockCount(int index) {
        return sequences.get(index).table().size();
    }
}
