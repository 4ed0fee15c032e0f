package dev.sluice.executor.cuda.step;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.cuda.driver.CudaFunction;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.KernelArguments;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * How often each token was said, for the sequences with penalties: a row of counts per sequence on the device
 * (penalties.cu), to which only what is new is added. A row can be taken from its sequence at any time: then it is written
 * again from the tokens that come with each step.
 */
public final class TokenHistory {

    private static final int TOKENS = 1 << 16; // of one upload
    private static final int THREADS = 256;

    /** What a row stands for. */
    private static final class Row {
        final int slot;
        long sequence;
        int promptLength;
        int noted;
        long used;

        Row(int slot) {
            this.slot = slot;
        }
    }

    private final CudaStream stream;
    private final CudaFunction recordTokens;
    private final long counts;
    private final long staging;
    private final int vocabularySize;
    private final KernelArguments arguments;
    private final MemorySegment[] hosts = new MemorySegment[2];
    private final int entriesMax;
    private final Map<Long, Row> rows = new HashMap<>();
    private final Row[] all;
    private final int[] last = new int[1];
    private long time;
    private MemorySegment host;
    private int tokens;
    private int entries;

    /** @param lines rows there are; at most so many sequences may be in a step */
    public TokenHistory(
            CudaStream stream, CudaKernels kernels, Workspace memory, int lines, int vocabularySize, Arena arena) {
        this.stream = stream;
        recordTokens = kernels.recordTokens;
        counts = memory.history;
        staging = memory.tokens;
        this.vocabularySize = vocabularySize;
        arguments = new KernelArguments(arena);
        entriesMax = entries(lines);
        for (int i = 0; i < hosts.length; i++) {
            hosts[i] =
                    PinnedBuffer.allocate(stream.context(), stagingBytes(lines)).memory();
        }
        host = hosts[0];
        all = new Row[lines];
        for (int i = 0; i < lines; i++) {
            all[i] = new Row(i);
        }
    }

    private static int entries(int lines) {
        return 2 * lines;
    }

    /** Device memory for {@code [TOKENS] tokens, [entries + 1] starts, [entries] slots for prompts, and for outputs}. */
    static long stagingBytes(int lines) {
        return (long) Integer.BYTES * (TOKENS + 3 * entries(lines) + 1);
    }

    /**
     * Begins a step.
     *
     * @param slot 0 or 1: the step before last has been joined, so nobody reads that half of the host's memory any more
     */
    public void begin(int slot) {
        time++;
        host = hosts[slot];
        tokens = 0;
        entries = 0;
    }

    /** Forgets whose the rows are, after a step of which nobody knows how far it came. */
    public void forget() {
        rows.clear();
        for (Row row : all) {
            row.used = 0;
        }
    }

    /**
     * Makes sure that a row counts all tokens of a sequence, once {@link #flush} has been called.
     *
     * @param lastId the last of them, if the sequence awaits it
     * @return the row's number
     */
    int note(ScheduledSequence sequence, int lastId) {
        Row row = rows.get(sequence.sequence);
        if (row == null) {
            row = take(sequence.sequence);
        }
        row.used = time;
        if (row.promptLength != sequence.promptLength || row.noted > sequence.tokenCount) {
            row.promptLength = sequence.promptLength;
            row.noted = 0;
            long bytes = (long) Integer.BYTES * vocabularySize;
            stream.fill(counts + row.slot * bytes, (byte) 0, bytes);
        }
        int known = sequence.knownCount();
        add(row.slot, sequence.tokens, row.noted, Math.min(sequence.promptLength, known), false);
        add(row.slot, sequence.tokens, Math.max(row.noted, sequence.promptLength), known, true);
        if (Math.max(row.noted, known) < sequence.tokenCount) {
            last[0] = lastId;
            add(row.slot, last, 0, 1, true);
        }
        row.noted = sequence.tokenCount;
        return row.slot;
    }

    /** A row that nobody has, or that was not used for the longest time. */
    private Row take(long sequence) {
        Row oldest = all[0];
        for (Row row : all) {
            oldest = row.used < oldest.used ? row : oldest;
        }
        rows.remove(oldest.sequence, oldest);
        oldest.sequence = sequence;
        oldest.promptLength = -1;
        rows.put(sequence, oldest);
        return oldest;
    }

    private void add(int slot, int[] ids, int from, int to, boolean output) {
        for (int at = from; at < to; ) {
            if (tokens == TOKENS || entries == entriesMax) {
                flush();
                stream.synchronize();
            }
            int count = Math.min(to - at, TOKENS - tokens);
            MemorySegment.copy(ids, at, host, JAVA_INT, (long) Integer.BYTES * tokens, count);
            set(starts() + entries, tokens);
            set(slots(false) + entries, output ? -1 : slot);
            set(slots(true) + entries, output ? slot : -1);
            entries++;
            tokens += count;
            at += count;
        }
    }

    private static int starts() {
        return TOKENS;
    }

    private int slots(boolean output) {
        return TOKENS + entriesMax + 1 + (output ? entriesMax : 0);
    }

    private void set(int index, int value) {
        host.set(JAVA_INT, (long) Integer.BYTES * index, value);
    }

    /** Gives what was noted to the stream; more may be noted once the stream has taken it. */
    void flush() {
        if (entries == 0) {
            return;
        }
        set(starts() + entries, tokens);
        stream.toDevice(host, staging);
        for (boolean output : new boolean[] {false, true}) {
            arguments
                    .begin()
                    .add(counts)
                    .add(at(slots(output)))
                    .add(at(starts()))
                    .add(at(0));
            arguments.add(output ? 1 : 0).add(vocabularySize);
            stream.launch(recordTokens, entries, 1, 1, THREADS, arguments);
        }
        tokens = 0;
        entries = 0;
    }

    private long at(int index) {
        return staging + (long) Integer.BYTES * index;
    }
}
