package dev.sluice.executor.cpu;

import dev.sluice.model.RopeSpec;

/** The rotation of every pair of elements at a position, computed in double precision. */
final class RotaryAngles {

    private final double[] frequencies;

    RotaryAngles(RopeSpec rope, int headDim) {
        frequencies = new double[headDim / 2];
        RopeSpec.Llama3Scaling scaling = rope.llama3();
        for (int i = 0; i < frequencies.length; i++) {
            double frequency = 1 / Math.pow(rope.theta(), 2.0 * i / headDim);
            frequencies[i] = scaling == null ? frequency : rescale(frequency, scaling);
        }
    }

    /** Llama 3.1: keeps what turns fast, stretches what turns slowly, and blends in between. */
    private static double rescale(double frequency, RopeSpec.Llama3Scaling scaling) {
        double turns = scaling.originalMaxPositionEmbeddings() * frequency / (2 * Math.PI);
        if (turns > scaling.highFreqFactor()) {
            return frequency;
        }
        if (turns < scaling.lowFreqFactor()) {
            return frequency / scaling.factor();
        }
        double smooth = (turns - scaling.lowFreqFactor()) / (scaling.highFreqFactor() - scaling.lowFreqFactor());
        return (1 - smooth) * frequency / scaling.factor() + smooth * frequency;
    }

    /** Cosines of all pairs, then sines: as many floats as a head has elements. */
    void at(int position, float[] target, int at) {
        for (int i = 0; i < frequencies.length; i++) {
            double angle = position * frequencies[i];
            target[at + i] = (float) Math.cos(angle);
            target[at + frequencies.length + i] = (float) Math.sin(angle);
        }
    }
}
