package dev.sluice.executor.cpu;

import dev.sluice.executor.ScheduledSequence;
import java.util.Arrays;

/**
 * The rows that go through the layers together: one per position, in segments that each belong to one line of the plan.
 * A step that has more positions than fit is cut into passes, in order.
 */
final class Pass {

    private static final int[] NO_BLOCKS = {};

    private final int rowsMax;
    private final int[] tokens;
    private final int[] positions;
    private final int[] segmentOfRow;
    private final int[] line;
    private final int[] firstRow;
    private final int[] count;
    private final int[][] blocks;
    private final int[] sampledRows;
    private final int[] sampledLines;
    private int rows;
    private int segments;
    private int sampled;

    Pass(int rowsMax) {
        this.rowsMax = rowsMax;
        tokens = new int[rowsMax];
        positions = new int[rowsMax];
        segmentOfRow = new int[rowsMax];
        line = new int[rowsMax];
        firstRow = new int[rowsMax];
        count = new int[rowsMax];
        blocks = new int[rowsMax][];
        sampledRows = new int[rowsMax];
        sampledLines = new int[rowsMax];
        begin();
    }

    void begin() {
        Arrays.fill(blocks, NO_BLOCKS); // so that no table outlives its step
        rows = 0;
        segments = 0;
        sampled = 0;
    }

    /**
     * Takes as many positions of a sequence as there is room for.
     *
     * @param from first position
     * @return how many were taken
     */
    int add(int planLine, ScheduledSequence sequence, int from) {
        int end = sequence.start + sequence.count;
        int taken = Math.min(end - from, rowsMax - rows);
        if (taken == 0) {
            return 0;
        }
        line[segments] = planLine;
        firstRow[segments] = rows;
        count[segments] = taken;
        blocks[segments] = sequence.blocks;
        for (int position = from; position < from + taken; position++) {
            tokens[rows] = sequence.tokens[position];
            positions[rows] = position;
            segmentOfRow[rows++] = segments;
        }
        if (from + taken == end && sequence.samples()) {
            sampledRows[sampled] = rows - 1;
            sampledLines[sampled++] = planLine;
        }
        segments++;
        return taken;
    }

    boolean isFull() {
        return rows == rowsMax;
    }

    int rows() {
        return rows;
    }

    int token(int row) {
        return tokens[row];
    }

    int position(int row) {
        return positions[row];
    }

    /** Block table of the sequence that a row belongs to. */
    int[] blocksOfRow(int row) {
        return blocks[segmentOfRow[row]];
    }

    int segments() {
        return segments;
    }

    int firstRow(int segment) {
        return firstRow[segment];
    }

    int count(int segment) {
        return count[segment];
    }

    int[] blocks(int segment) {
        return blocks[segment];
    }

    /** Number of rows whose logits are wanted. */
    int sampled() {
        return sampled;
    }

    int sampledRow(int index) {
        return sampledRows[index];
    }

    /** Line of the plan that the sample is for. */
    int sampledLine(int index) {
        return sampledLines[index];
    }
}
