package dev.sluice.executor;

import dev.sluice.request.TokenLogprobs;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The answer to a {@link StepPlan}, line by line in its order: each line yields up to {@link ScheduledSequence#outputs}
 * tokens, in the order in which they follow each other. Reused from step to step by its executor. It names the step and
 * the sequence of each line, so that whoever reads it need not believe that it is the answer to his plan.
 */
public final class StepResult {

    /** Stands for "no token sampled". */
    public static final int NO_TOKEN = -1;

    private long step;
    private long[] sequences = new long[0];
    private int[] firsts = new int[1]; // places of a line's tokens: from firsts[line] to firsts[line + 1]
    private int[] counts = new int[0];
    private @Nullable String[] failures = new String[0];
    private int[] tokens = new int[0];
    private @Nullable TokenLogprobs[] logprobs = new TokenLogprobs[0];
    private int size;

    /** Empties the result for a plan. */
    public void begin(StepPlan plan) {
        size = plan.size();
        step = plan.step();
        if (counts.length < size) {
            int capacity = Math.max(16, size * 2);
            sequences = new long[capacity];
            firsts = new int[capacity + 1];
            counts = new int[capacity];
            failures = new String[capacity];
        }
        for (int i = 0; i < size; i++) {
            ScheduledSequence line = plan.get(i);
            sequences[i] = line.sequence;
            firsts[i + 1] = firsts[i] + line.outputs();
        }
        int places = firsts[size];
        if (tokens.length < places) {
            tokens = new int[places * 2];
            logprobs = new TokenLogprobs[places * 2];
        }
        Arrays.fill(counts, 0, size, 0);
        Arrays.fill(failures, 0, size, null);
        Arrays.fill(logprobs, 0, places, null);
    }

    /** Makes this the answer to no plan at all. */
    public void clear() {
        size = 0;
        step = 0;
    }

    /**
     * Adds the next token that a line yields.
     *
     * @throws IllegalStateException if the line may yield no more
     */
    public void addToken(int line, int token, @Nullable TokenLogprobs tokenLogprobs) {
        int place = firsts[line] + counts[line];
        if (place == firsts[line + 1]) {
            throw new IllegalStateException("line " + line + " may not yield more than " + counts[line] + " tokens");
        }
        tokens[place] = token;
        logprobs[place] = tokenLogprobs;
        counts[line]++;
    }

    /** Marks one sequence as failed; {@code message} is fit for the client's eyes. */
    public void setFailure(int line, String message) {
        failures[line] = message;
    }

    public int size() {
        return size;
    }

    /** Number of the step that this answers; 0 if it answers none. */
    public long step() {
        return step;
    }

    /** Number of the sequence that a line belongs to. */
    public long sequence(int line) {
        return sequences[line];
    }

    /** Tokens that a line has yielded: none for a partial prefill or a failed sequence. */
    public int count(int line) {
        return counts[line];
    }

    /** @param index below {@link #count} */
    public int token(int line, int index) {
        return tokens[firsts[line] + index];
    }

    /** The last token that a line has yielded, which the next step may await; {@link #NO_TOKEN} if there is none. */
    public int lastToken(int line) {
        return counts[line] == 0 ? NO_TOKEN : token(line, counts[line] - 1);
    }

    /** @param index below {@link #count} */
    public @Nullable TokenLogprobs logprobs(int line, int index) {
        return logprobs[firsts[line] + index];
    }

    public @Nullable String failure(int line) {
        return failures[line];
    }
}
