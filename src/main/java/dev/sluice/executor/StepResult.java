package dev.sluice.executor;

import dev.sluice.request.TokenLogprobs;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The answer to a {@link StepPlan}, line by line in its order. Reused from step to step by its executor. It names the
 * step and the sequence of each line, so that whoever reads it need not believe that it is the answer to his plan.
 */
public final class StepResult {

    /** Stands for "no token sampled". */
    public static final int NO_TOKEN = -1;

    private long step;
    private long[] sequences = new long[0];
    private int[] tokens = new int[0];
    private @Nullable TokenLogprobs[] logprobs = new TokenLogprobs[0];
    private @Nullable String[] failures = new String[0];
    private int size;

    /** Empties the result for a plan. */
    public void begin(StepPlan plan) {
        int planSize = plan.size();
        if (tokens.length < planSize) {
            int capacity = Math.max(16, planSize * 2);
            sequences = new long[capacity];
            tokens = new int[capacity];
            logprobs = new TokenLogprobs[capacity];
            failures = new String[capacity];
        }
        size = planSize;
        step = plan.step();
        for (int i = 0; i < size; i++) {
            sequences[i] = plan.get(i).sequence;
        }
        Arrays.fill(tokens, 0, size, NO_TOKEN);
        Arrays.fill(logprobs, 0, size, null);
        Arrays.fill(failures, 0, size, null);
    }

    /** Makes this the answer to no plan at all. */
    public void clear() {
        size = 0;
        step = 0;
    }

    public void setToken(int index, int token) {
        tokens[index] = token;
    }

    public void setLogprobs(int index, TokenLogprobs value) {
        logprobs[index] = value;
    }

    /** Marks one sequence as failed; {@code message} is fit for the client's eyes. */
    public void setFailure(int index, String message) {
        failures[index] = message;
    }

    public int size() {
        return size;
    }

    /** Number of the step that this answers; 0 if it answers none. */
    public long step() {
        return step;
    }

    /** Number of the sequence that a line belongs to. */
    public long sequence(int index) {
        return sequences[index];
    }

    /** The sampled id, or {@link #NO_TOKEN} for a partial prefill or a failed sequence. */
    public int token(int index) {
        return tokens[index];
    }

    public @Nullable TokenLogprobs logprobs(int index) {
        return logprobs[index];
    }

    public @Nullable String failure(int index) {
        return failures[index];
    }
}
