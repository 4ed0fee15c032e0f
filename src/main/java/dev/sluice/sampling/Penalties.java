package dev.sluice.sampling;

import dev.sluice.request.SamplingParams;

/** Shifts logits by what has been said before: bias, minimum length, repetition, frequency and presence penalties. */
final class Penalties {

    private final int[] outputCounts;
    private final boolean[] seen;

    Penalties(int vocabularySize) {
        outputCounts = new int[vocabularySize];
        seen = new boolean[vocabularySize];
    }

    void apply(float[] logits, SamplingParams p, int[] tokens, int promptLength, int tokenCount) {
        for (int i = 0; i < p.biasTokenIds().length; i++) {
            int id = p.biasTokenIds()[i];
            if (isKnown(id)) {
                logits[id] += p.biasValues()[i];
            }
        }
        if (tokenCount - promptLength < p.minTokens()) {
            mask(logits, p.endTokenIds());
            mask(logits, p.stopTokenIds());
        }
        if (p.repetitionPenalty() != 1) {
            repetition(logits, p.repetitionPenalty(), tokens, tokenCount);
        }
        if (p.frequencyPenalty() != 0 || p.presencePenalty() != 0) {
            frequencyAndPresence(logits, p, tokens, promptLength, tokenCount);
        }
    }

    private boolean isKnown(int id) {
        return id >= 0 && id < seen.length;
    }

    private void mask(float[] logits, int[] ids) {
        for (int id : ids) {
            if (isKnown(id)) {
                logits[id] = Float.NEGATIVE_INFINITY;
            }
        }
    }

    /** Over prompt and output, once per distinct token (CTRL, Keskar et al.). */
    private void repetition(float[] logits, float penalty, int[] tokens, int tokenCount) {
        for (int i = 0; i < tokenCount; i++) {
            int id = tokens[i];
            if (!seen[id]) {
                seen[id] = true;
                logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
            }
        }
        for (int i = 0; i < tokenCount; i++) {
            seen[tokens[i]] = false;
        }
    }

    /** Over the output alone. */
    private void frequencyAndPresence(
            float[] logits, SamplingParams p, int[] tokens, int promptLength, int tokenCount) {
        for (int i = promptLength; i < tokenCount; i++) {
            outputCounts[tokens[i]]++;
        }
        for (int i = promptLength; i < tokenCount; i++) {
            int id = tokens[i];
            if (outputCounts[id] > 0) {
                logits[id] -= p.frequencyPenalty() * outputCounts[id] + p.presencePenalty();
                outputCounts[id] = 0;
            }
        }
    }
}
