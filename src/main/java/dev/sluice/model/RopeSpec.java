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
            double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositionEmbeddings) {

        /** Keeps what turns fast, stretches what turns slowly, and blends in between. */
        private double rescale(double frequency) {
            double turns = originalMaxPositionEmbeddings * frequency / (2 * Math.PI);
            if (turns > highFreqFactor) {
                return frequency;
            }
            if (turns < lowFreqFactor) {
                return frequency / factor;
            }
            double smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
            return (1 - smooth) * frequency / factor + smooth * frequency;
        }
    }

    /** Radians per position of each pair of elements; half as many as a head has elements. */
    public double[] frequencies(int headDim) {
        double[] frequencies = new double[headDim / 2];
        for (int i = 0; i < frequencies.length; i++) {
            double frequency = 1 / Math.pow(theta, 2.0 * i / headDim);
            frequencies[i] = llama3 == null ? frequency : llama3.rescale(frequency);
        }
        return frequencies;
    }
}
