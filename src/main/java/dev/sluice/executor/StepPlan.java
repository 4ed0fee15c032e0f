package dev.sluice.executor;

import dev.sluice.kv.TransferPlan;
import java.util.Arrays;

/** A work order: what one step computes, for which sequences, and which copies go with it. Reused from step to step. */
public final class StepPlan {

    private ScheduledSequence[] items = new ScheduledSequence[0];
    private int size;
    private int tokenCount;
    private long step;
    private TransferPlan transfers = TransferPlan.NONE;
    private long[] finished = new long[16];
    private int finishedCount;
    private long[] preempted = new long[16];
    private int preemptedCount;

    /** Empties the plan for the step with the given number. */
    public void begin(long stepNumber) {
        step = stepNumber;
        size = 0;
        tokenCount = 0;
        transfers = TransferPlan.NONE;
        finishedCount = 0;
        preemptedCount = 0;
    }

    /** Appends a line with the given number of positions, for the caller to fill in. */
    public ScheduledSequence add(int count) {
        if (size == items.length) {
            items = Arrays.copyOf(items, Math.max(16, size * 2));
        }
        ScheduledSequence item = items[size];
        if (item == null) {
            item = new ScheduledSequence();
            items[size] = item;
        }
        size++;
        item.count = count;
        item.awaited = ScheduledSequence.NOTHING;
        tokenCount += count;
        return item;
    }

    /** Tells the executor that a sequence has ended and its state can go. */
    public void addFinished(long sequence) {
        if (finishedCount == finished.length) {
            finished = Arrays.copyOf(finished, finishedCount * 2);
        }
        finished[finishedCount++] = sequence;
    }

    /** Tells the executor that a sequence lost its blocks in this step. */
    public void addPreempted(long sequence) {
        if (preemptedCount == preempted.length) {
            preempted = Arrays.copyOf(preempted, preemptedCount * 2);
        }
        preempted[preemptedCount++] = sequence;
    }

    public void setTransfers(TransferPlan plan) {
        transfers = plan;
    }

    /** Number of this step, strictly increasing. */
    public long step() {
        return step;
    }

    /** Number of sequences. */
    public int size() {
        return size;
    }

    public ScheduledSequence get(int index) {
        return items[index];
    }

    /** Sum of the positions of all sequences. */
    public int tokenCount() {
        return tokenCount;
    }

    public TransferPlan transfers() {
        return transfers;
    }

    public int finishedCount() {
        return finishedCount;
    }

    public long finished(int index) {
        return finished[index];
    }

    public int preemptedCount() {
        return preemptedCount;
    }

    public long preempted(int index) {
        return preempted[index];
    }
}
