package dev.sluice.sampling;

import dev.sluice.request.TokenLogprobs;

/** Log-probabilities of one position: those of the best tokens and of the one that is chosen in the end. */
final class Logprobs {

    private final float[] raw;
    private float logSum;
    private int top;

    Logprobs(int vocabularySize) {
        raw = new float[vocabularySize];
    }

    /** Remembers the distribution before anything changes it. */
    void capture(float[] logits, int topCount) {
        System.arraycopy(logits, 0, raw, 0, raw.length);
        top = Math.min(topCount, raw.length);
        float max = Float.NEGATIVE_INFINITY;
        for (float logit : raw) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : raw) {
            sum += Math.exp(logit - max);
        }
        logSum = (float) (max + Math.log(sum));
    }

    TokenLogprobs of(int chosen) {
        int[] ids = new int[top];
        float[] values = new float[top];
        int count = 0;
        for (int id = 0; id < raw.length; id++) {
            float value = raw[id] - logSum;
            if (count == top && (top == 0 || value <= values[top - 1])) {
                continue; // equal values: the lower id came first and stays
            }
            int at = count < top ? count++ : top - 1;
            while (at > 0 && values[at - 1] < value) {
                values[at] = values[at - 1];
                ids[at] = ids[at - 1];
                at--;
            }
            values[at] = value;
            ids[at] = id;
        }
        return new TokenLogprobs(raw[chosen] - logSum, ids, values);
    }
}
