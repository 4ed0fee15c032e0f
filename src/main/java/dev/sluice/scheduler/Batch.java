package dev.sluice.scheduler;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.StepView;
import java.util.ArrayList;
import java.util.List;

/** What the planner decided for one step, before and after it becomes a work order. Reused from step to step. */
final class Batch implements StepView {

    private final List<Sequence> scheduled = new ArrayList<>();
    private final List<ScheduledSequence.Kind> kinds = new ArrayList<>();
    private final List<Sequence> preempted = new ArrayList<>();
    private final List<Sequence> firstScheduled = new ArrayList<>();

    void clear() {
        for (int i = 0; i < scheduled.size(); i++) {
            scheduled.get(i).scheduled = 0;
        }
        scheduled.clear();
        kinds.clear();
        preempted.clear();
        firstScheduled.clear();
    }

    void add(Sequence sequence, int count, ScheduledSequence.Kind kind) {
        sequence.scheduled = count;
        scheduled.add(sequence);
        kinds.add(kind);
    }

    /** Takes a sequence out of the step again; returns the tokens it was to compute, 0 if it was not in. */
    int remove(Sequence sequence) {
        int index = scheduled.indexOf(sequence);
        if (index < 0) {
            return 0;
        }
        scheduled.remove(index);
        kinds.remove(index);
        int count = sequence.scheduled;
        sequence.scheduled = 0;
        return count;
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

    /** Writes the lines of the work order and advances what is computed by what is scheduled. */
    void writeTo(StepPlan plan) {
        for (int i = 0; i < scheduled.size(); i++) {
            Sequence sequence = scheduled.get(i);
            ScheduledSequence line = plan.add(sequence.scheduled);
            line.sequence = sequence.sequence();
            line.kind = kinds.get(i);
            line.sampling = sequence.request().sampling();
            line.promptLength = sequence.promptLength();
            line.tokens = sequence.tokens();
            line.tokenCount = sequence.tokenCount();
            line.start = sequence.computed;
            line.blocks = sequence.table().blocks();
            line.blockCount = sequence.table().size();
            sequence.computed += sequence.scheduled;
        }
        for (int i = 0; i < preempted.size(); i++) {
            plan.addPreempted(preempted.get(i).sequence());
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
        return scheduled.get(index).scheduled;
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
