package dev.sluice.offload;

import java.util.Arrays;
import java.util.Set;

/** The part of a step that a connector may see. */
final class VisibleStep implements StepView {

    private final StepView step;
    private final int[] lines;

    private VisibleStep(StepView step, int[] lines) {
        this.step = step;
        this.lines = lines;
    }

    /** A step without the given requests. */
    static VisibleStep of(StepView step, Set<Long> hidden) {
        int[] lines = new int[step.size()];
        int count = 0;
        for (int i = 0; i < step.size(); i++) {
            if (!hidden.contains(step.request(i).sequence())) {
                lines[count++] = i;
            }
        }
        return new VisibleStep(step, Arrays.copyOf(lines, count));
    }

    /** True if nothing of the step is hidden. */
    boolean isWhole() {
        return lines.length == step.size();
    }

    @Override
    public int size() {
        return lines.length;
    }

    @Override
    public ConnectorRequest request(int index) {
        return step.request(lines[index]);
    }

    @Override
    public int scheduledTokens(int index) {
        return step.scheduledTokens(lines[index]);
    }

    @Override
    public int[] blocks(int index) {
        return step.blocks(lines[index]);
    }

    @Override
    public int blockCount(int index) {
        return step.blockCount(lines[index]);
    }
}
