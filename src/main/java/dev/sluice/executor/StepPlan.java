package dev.sluice.executor;

import dev.sluice.kv.TransferPlan;
import java.util.Arrays;

/**
 * What one step computes, for which sequences, and which copies go with it: vLLM's scheduler output. The scheduler plans
 * right into it, so that the step is written down once. Reused from step to step.
 */
public final class StepPlan {

    private ScheduledSequence[] lines = new ScheduledSequence[0];
    private int size;
    private int tokenCount;
    private long step;
    private TransferPlan transfers = TransferPlan.NONE;

    /** Empties the plan for the step with the given number. */
    public void begin(long number) {
        step = number;
        size = 0;
        tokenCount = 0;
        transfers = TransferPlan.NONE;
    }

    /** Appends a line with the given number of positions, for the caller to fill in. */
    public ScheduledSequence add(int count) {
        if (size == lines.length) {
            lines = Arrays.copyOf(lines, Math.max(16, size * 2));
        }
        ScheduledSequence line = lines[size];
        if (line == null) {
            line = new ScheduledSequence();
            lines[size] = line;
        }
        size++;
        line.count = count;
        line.awaited = ScheduledSequence.NOTHING;
        tokenCount += count;
        return line;
    }

    /** Takes a line out again. */
    public void remove(int index) {
        ScheduledSequence line = lines[index];
        tokenCount -= line.count;
        size--;
        System.arraycopy(lines, index + 1, lines, index, size - index);
        lines[size] = line;
    }

    /** Gives a plan its number, when it is about to be submitted. */
    public void setStep(long number) {
        step = number;
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
        return lines[index];
    }

    /** Sum of the positions of all sequences. */
    public int tokenCount() {
        return tokenCount;
    }

    public TransferPlan transfers() {
        return transfers;
    }
}
