package dev.sluice.scheduler;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.StepView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the planner decided for one step, before and after it becomes a work order. Reused from step to step. */
final class Batch implements StepView {

    private static final int NOTHING_REGISTERED = Integer.MAX_VALUE;

    private final List<Sequence> scheduled = new ArrayList<>();
    private final List<ScheduledSequence.Kind> kinds = new ArrayList<>();
    private final List<Sequence> preempted = new ArrayList<>();
    private final List<Sequence> firstScheduled = new ArrayList<>();
    private int[] counts = new int[16];
    private int[] registeredBefore = new int[16];
    private int[] awaited = new int[16];
    private boolean loads;

    void clear() {
        for (int i = 0; i < scheduled.size(); i++) {
            scheduled.get(i).scheduled = 0;
        }
        scheduled.clear();
        kinds.clear();
        preempted.clear();
        firstScheduled.clear();
        loads = false;
    }

    /** @param registered registered blocks before the step: what it adds is taken back from here */
    void add(Sequence sequence, int count, ScheduledSequence.Kind kind, int registered) {
        add(sequence, count, kind, registered, ScheduledSequence.NOTHING);
    }

    /** As above for one token more than is known: the one that the given line of the step before is about to yield. */
    void addAwaiting(Sequence sequence, int line) {
        add(sequence, 1, ScheduledSequence.Kind.RUNNING, NOTHING_REGISTERED, line);
    }

    private void add(Sequence sequence, int count, ScheduledSequence.Kind kind, int registered, int line) {
        int index = scheduled.size();
        if (index == counts.length) {
            counts = Arrays.copyOf(counts, index * 2);
            registeredBefore = Arrays.copyOf(registeredBefore, index * 2);
            awaited = Arrays.copyOf(awaited, index * 2);
        }
        counts[index] = count;
        registeredBefore[index] = registered;
        awaited[index] = line;
        sequence.scheduled = count;
        scheduled.add(sequence);
        kinds.add(kind);
    }

    /** The line of a sequence, or -1 if it is not in. */
    int indexOf(Sequence sequence) {
        return scheduled.indexOf(sequence);
    }

    /** Takes a line out of the step again. */
    void remove(int index) {
        int left = scheduled.size() - index - 1;
        System.arraycopy(counts, index + 1, counts, index, left);
        System.arraycopy(registeredBefore, index + 1, registeredBefore, index, left);
        System.arraycopy(awaited, index + 1, awaited, index, left);
        scheduled.remove(index).scheduled = 0;
        kinds.remove(index);
    }

    /** A part of what the step builds on is loaded with it, and may turn out not to have arrived. */
    void addLoad() {
        loads = true;
    }

    boolean loads() {
        return loads;
    }

    void addPreempted(Sequence sequence) {
        preempted.add(sequence);
    }

    boolean hasPreempted() {
        return !preempted.isEmpty();
    }

    List<Sequence> preemptedSequences() {
        return preempted;
    }

    void addFirstScheduled(Sequence sequence) {
        firstScheduled.add(sequence);
    }

    List<Sequence> firstScheduled() {
        return firstScheduled;
    }

    Sequence get(int index) {
        return scheduled.get(index);
    }

    ScheduledSequence.Kind kind(int index) {
        return kinds.get(index);
    }

    /** Tokens that the line computes; 0 once that is known to be in vain. */
    int count(int index) {
        return counts[index];
    }

    /** What the line computes is in vain: its sequence has lost blocks, or never had what they were to hold. */
    void takeBack(int index) {
        counts[index] = 0;
    }

    /** The first block that the line may have registered. */
    int registeredBefore(int index) {
        return registeredBefore[index];
    }

    /** True if the line was planned ahead: then what it computes is registered with its result, since its id was not known. */
    boolean isAhead(int index) {
        return awaited[index] != ScheduledSequence.NOTHING;
    }

    /** True if the line was planned ahead for a sequence that has ended, or lost its blocks, since then. */
    boolean isWasted(int index) {
        return isAhead(index) && scheduled.get(index).state != Sequence.State.RUNNING;
    }

    /** True if nobody waits for any line any more. */
    boolean isWasted() {
        for (int i = 0; i < scheduled.size(); i++) {
            if (!isWasted(i)) {
                return false;
            }
        }
        return !scheduled.isEmpty();
    }

    /** Writes the lines of the work order and advances what is computed by what is scheduled. */
    void writeTo(StepPlan plan) {
        for (int i = 0; i < scheduled.size(); i++) {
            Sequence sequence = scheduled.get(i);
            ScheduledSequence line = plan.add(counts[i]);
            boolean ahead = isAhead(i);
            line.sequence = sequence.sequence();
            line.kind = kinds.get(i);
            line.sampling = sequence.request().sampling();
            line.promptLength = sequence.promptLength();
            line.tokens = sequence.tokens();
            line.tokenCount = sequence.tokenCount() + (ahead ? 1 : 0);
            line.awaited = awaited[i];
            line.start = sequence.computed;
            line.blocks = sequence.table().blocks();
            line.blockCount = sequence.table().size();
            sequence.scheduled = 0;
            sequence.computed += counts[i];
            sequence.unsettled += ahead ? counts[i] : 0;
        }
        for (int i = 0; i < preempted.size(); i++) {
            plan.addPreempted(preempted.get(i).sequence());
        }
    }

    /** The step is over: what its sequences have computed is certain, but for what the step after it computes. */
    void settle(@Nullable Batch ahead) {
        for (int i = 0; i < scheduled.size(); i++) {
            scheduled.get(i).unsettled = 0;
        }
        for (int i = 0; ahead != null && i < ahead.size(); i++) {
            ahead.get(i).unsettled = ahead.counts[i];
        }
    }

    @Override
    public int size() {
        return scheduled.size();
    }

    @Override
    public ConnectorRequest request(int index) {
        return scheduled.get(index);
    }

    @Override
    public int scheduledTokens(int index) {
        return counts[index] + scheduled.get(index).unsettled;
    }

    @Override
    public int[] blocks(int index) {
        return scheduled.get(index).table().blocks();
    }

    @Override
    public int blockCount(int index) {
        return scheduled.get(index).table().size();
    }
}
