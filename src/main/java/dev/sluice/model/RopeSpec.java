package dev.sluice.model;

import org.jspecify.annotations.Nullable;

/**
 * Rotary position embedding (RoFormer), in the half-split ("neox") layout of Hugging Face.
 *
 * @param theta base of the frequencies
 * @param llama3 frequency rescaling of Llama 3.1 and later, or null
 */
public record RopeSpec(double theta, @Nullable Llama3Scaling llama3) {

    /** Parameters of {@code rope_type: llama3}, named as in {@code config.json}. */
    public record Llama3Scaling(
            double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositionEmbeddings) {}
}
