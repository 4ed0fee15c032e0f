package dev.sluice.sampling;

import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenLogprobs;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Chooses a token from logits.
 *
 * <p>The order is vLLM's: bias and minimum length, penalties, then either the best token or temperature, min-p, top-k,
 * top-p and a draw. Log-probabilities are taken before all of it. The draw walks the remaining tokens in the order of
 * their ids, so that it depends on nothing but logits, parameters, seed and output position. Reuses its arrays; for one
 * thread.
 */
public final class Sampler {

    /** Below this, temperature counts as zero. */
    public static final float GREEDY_BELOW = 1e-5f;

    private final int vocabularySize;
    private final Penalties penalties;
    private final Logprobs logprobs;
    private final double[] weights;
    private final long[] keys;
    private @Nullable TokenLogprobs last;

    public Sampler(int vocabularySize) {
        this.vocabularySize = vocabularySize;
        penalties = new Penalties(vocabularySize);
        logprobs = new Logprobs(vocabularySize);
        weights = new double[vocabularySize];
        keys = new long[vocabularySize];
    }

    /**
     * Chooses the token that follows {@code tokens[0..tokenCount)}.
     *
     * @param logits one per id of the vocabulary; overwritten
     * @return the id, or -1 if the logits contain NaN or positive infinity, or leave nothing to choose
     */
    public int sample(float[] logits, SamplingParams p, int[] tokens, int promptLength, int tokenCount) {
        last = null;
        if (!areUsable(logits)) {
            return -1;
        }
        if (p.logprobs() >= 0) {
            logprobs.capture(logits, p.logprobs());
        }
        penalties.apply(logits, p, tokens, promptLength, tokenCount);
        int best = argmax(logits);
        if (logits[best] == Float.NEGATIVE_INFINITY) {
            return -1;
        }
        int chosen = p.temperature() < GREEDY_BELOW ? best : draw(logits, best, p, tokenCount - promptLength);
        if (p.logprobs() >= 0) {
            last = logprobs.of(chosen);
        }
        return chosen;
    }

    /** Log-probabilities of the last token, if its request asked for them. */
    public @Nullable TokenLogprobs lastLogprobs() {
        return last;
    }

    private boolean areUsable(float[] logits) {
        for (int id = 0; id < vocabularySize; id++) {
            if (!(logits[id] < Float.POSITIVE_INFINITY)) {
                return false;
            }
        }
        return true;
    }

    /** The best id, the lowest one among equals. */
    private int argmax(float[] logits) {
        int best = 0;
        for (int id = 1; id < vocabularySize; id++) {
            if (logits[id] > logits[best]) {
                best = id;
            }
        }
        return best;
    }

    private int draw(float[] logits, int best, SamplingParams p, int outputPosition) {
        double max = logits[best];
        double total = 0;
        int candidates = 0;
        for (int id = 0; id < vocabularySize; id++) {
            double weight = Math.exp((logits[id] - max) / p.temperature());
            weights[id] = weight < p.minP() ? 0 : weight; // the best has weight 1
            total += weights[id];
            candidates += weights[id] > 0 ? 1 : 0;
        }
        if (p.topK() > 0 && p.topK() < candidates) {
            total = keepTopK(p.topK());
        }
        if (p.topP() < 1) {
            total = keepTopP(p.topP(), total);
        }
        double target = SeededRandom.uniform(p.seed(), outputPosition) * total;
        double sum = 0;
        int chosen = best;
        for (int id = 0; id < vocabularySize; id++) {
            if (weights[id] > 0) {
                sum += weights[id];
                chosen = id;
                if (sum > target) {
                    break;
                }
            }
        }
        return chosen;
    }

    /** Keeps the k heaviest, lower ids first among equals; returns their total weight. */
    private double keepTopK(int k) {
        int count = collect(0);
        Arrays.sort(keys, 0, count);
        return keepFrom(count - k, count);
    }

    /** Keeps the heaviest until their share reaches p; returns their total weight. */
    private double keepTopP(double p, double total) {
        double enough = p * total;
        // Whatever is lighter than this cannot be in: all such together weigh less than what may be left out.
        int count = collect((total - enough) / vocabularySize);
        Arrays.sort(keys, 0, count);
        double sum = 0;
        int from = count;
        while (from > 0 && sum < enough) {
            sum += weights[id(keys[--from])];
        }
        return keepFrom(from, count);
    }

    /** Fills the sort keys: weight first, then lower ids as the larger key. */
    private int collect(double above) {
        int count = 0;
        for (int id = 0; id < vocabularySize; id++) {
            if (weights[id] > 0 && weights[id] >= above) {
                // Weights are positive, so the bits of the float have the order of its value.
                keys[count++] = (long) Float.floatToRawIntBits((float) weights[id]) << 32 | (0x7fffffff - id);
            }
        }
        return count;
    }

    private static int id(long key) {
        return 0x7fffffff - (int) (key & 0x7fffffff);
    }

    private double keepFrom(int from, int count) {
        // Keep by key, so that the walk in order of ids needs no second array: negate the kept, drop the rest.
        for (int i = from; i < count; i++) {
            int id = id(keys[i]);
            weights[id] = -weights[id];
        }
        double total = 0;
        for (int id = 0; id < vocabularySize; id++) {
            weights[id] = weights[id] < 0 ? -weights[id] : 0;
            total += weights[id];
        }
        return total;
    }
}
