package dev.sluice.executor;

import dev.sluice.request.TokenLogprobs;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The answer to a {@link StepPlan}, line by line in its order. Reused from step to step by its executor. */
public final class StepResult {

    /** Stands for "no token sampled". */
    public static final int NO_TOKEN = -1;

    private int[] tokens = new int[0];
    private @Nullable TokenLogprobs[] logprobs = new TokenLogprobs[0];
    private @Nullable String[] failures = new String[0];
    private int size;

    /** Empties the result for a plan of the given size. */
    public void begin(int planSize) {
        if (tokens.length < planSize) {
            int capacity = Math.max(16, planSize * 2);
            tokens = new int[capacity];
            logprobs = new TokenLogprobs[capacity];
            failures = new String[capacity];
        }
        size = planSize;
        Arrays.fill(tokens, 0, size, NO_TOKEN);
        Arrays.fill(logprobs, 0, size, null);
        Arrays.fill(failures, 0, size, null);
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
