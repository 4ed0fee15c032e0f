package dev.sluice.executor.cuda.step;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.sluice.executor.ScheduledSequence;
import java.lang.foreign.MemorySegment;

/**
 * The rows that go through the layers together: one per position, in segments that each belong to one line of the plan. A
 * step that has more positions than fit is cut into passes, in order.
 */
public final class CudaPass {

    private static final ScheduledSequence NOBODY = new ScheduledSequence();

    private final PassLimits limits;
    private final int blockSize;
    private final int[] line;
    private final int[] from;
    private final int[] count;
    private final ScheduledSequence[] sequence;
    private final int[] lastId;
    private final int[] sampledLine;
    private final int[] sampledLastId;
    private int segments;
    private int decodes;
    private int rows;
    private int samples;
    private int longestPrefill;
    private int width;

    public CudaPass(PassLimits limits, int blockSize) {
        this.limits = limits;
        this.blockSize = blockSize;
        line = new int[limits.lines()];
        from = new int[limits.lines()];
        count = new int[limits.lines()];
        sequence = new ScheduledSequence[limits.lines()];
        lastId = new int[limits.lines()];
        sampledLine = new int[limits.lines()];
        sampledLastId = new int[limits.lines()];
        begin();
    }

    public void begin() {
        java.util.Arrays.fill(sequence, NOBODY); // so that no table outlives its step
        segments = 0;
        decodes = 0;
        rows = 0;
        samples = 0;
        longestPrefill = 0;
        width = 1;
    }

    /**
     * Takes as many positions of a sequence as there is room for.
     *
     * @param first position
     * @param awaitedId what stands for the last token if the line awaits it
     * @return how many were taken
     */
    public int add(int planLine, ScheduledSequence scheduled, int first, int awaitedId) {
        int end = scheduled.start + scheduled.count;
        int taken = Math.min(end - first, limits.rows() - rows);
        line[segments] = planLine;
        sequence[segments] = scheduled;
        from[segments] = first;
        count[segments] = taken;
        lastId[segments] = awaitedId;
        if (isDecode(segments)) {
            decodes++;
        } else {
            longestPrefill = Math.max(longestPrefill, taken);
        }
        width = Math.max(width, (first + taken + blockSize - 1) / blockSize);
        rows += taken;
        segments++;
        return taken;
    }

    public boolean isFull() {
        return rows == limits.rows() || segments == limits.lines();
    }

    /** Both kernels of attention give the same bits, so this is a question of speed alone. */
    private boolean isDecode(int segment) {
        return count[segment] == 1;
    }

    public int rows() {
        return rows;
    }

    int decodes() {
        return decodes;
    }

    public int prefills() {
        return segments - decodes;
    }

    /** Rows of the longest prefill. */
    public int longestPrefill() {
        return longestPrefill;
    }

    /** Blocks of the longest sequence. */
    int width() {
        return width;
    }

    /** Number of rows whose logits are wanted; known once the pass is written. */
    public int samples() {
        return samples;
    }

    /** Line of the plan that a sample is for. */
    int sampledLine(int sample) {
        return sampledLine[sample];
    }

    /** What stands for the last token of the line that a sample is for, if the line awaits it. */
    int sampledLastId(int sample) {
        return sampledLastId[sample];
    }

    /** The layout that fits exactly. */
    public PassLayout layout() {
        return new PassLayout(rows, decodes, prefills(), width, segments);
    }

    /**
     * Writes the pass as the device reads it; what the layout has more than the pass is marked as unused.
     *
     * @param target at least {@link PassLayout#bytes} long
     */
    public void write(MemorySegment target, PassLayout layout) {
        samples = 0;
        int row = 0;
        for (int i = 0; i < segments; i++) {
            if (isDecode(i)) {
                set(target, layout.lengths() + row, from[i] + 1);
                writeTable(target, layout.tables() + row * layout.width(), i);
                writeRows(target, layout, row++, i);
            }
        }
        for (; row < layout.decodes(); row++) {
            set(target, layout.ids() + row, 0);
            set(target, layout.positions() + row, 0);
            set(target, layout.slots() + row, -1);
            set(target, layout.lengths() + row, 0);
        }
        int prefill = 0;
        for (int i = 0; i < segments; i++) {
            if (!isDecode(i)) {
                set(target, layout.starts() + prefill, row);
                set(target, layout.prefillLengths() + prefill, from[i] + count[i]);
                writeTable(target, layout.prefillTables() + prefill * layout.width(), i);
                writeRows(target, layout, row, i);
                row += count[i];
                prefill++;
            }
        }
        set(target, layout.starts() + prefill, row);
        for (int i = samples; i < layout.samples(); i++) {
            set(target, layout.sampledRows() + i, 0);
        }
    }

    private void writeTable(MemorySegment target, int at, int segment) {
        int blocks = (from[segment] + count[segment] + blockSize - 1) / blockSize;
        MemorySegment.copy(sequence[segment].blocks, 0, target, JAVA_INT, (long) at * Integer.BYTES, blocks);
    }

    private void writeRows(MemorySegment target, PassLayout layout, int firstRow, int segment) {
        ScheduledSequence owner = sequence[segment];
        for (int i = 0; i < count[segment]; i++) {
            int position = from[segment] + i;
            int id = position < owner.knownCount() ? owner.tokens[position] : lastId[segment];
            set(target, layout.ids() + firstRow + i, id);
            set(target, layout.positions() + firstRow + i, position);
            int slot = owner.blocks[position / blockSize] * blockSize + position % blockSize;
            set(target, layout.slots() + firstRow + i, slot);
        }
        int end = from[segment] + count[segment];
        if (end == owner.start + owner.count && owner.samples()) {
            sampledLine[samples] = line[segment];
            sampledLastId[samples] = lastId[segment];
            set(target, layout.sampledRows() + samples++, firstRow + count[segment] - 1);
        }
    }

    private static void set(MemorySegment target, int index, int value) {
        target.set(JAVA_INT, (long) index * Integer.BYTES, value);
    }
}
