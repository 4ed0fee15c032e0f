package dev.sluice.executor.cpu;

import dev.sluice.model.RopeSpec;
import dev.sluice.model.RopeSpec.Llama3Scaling;

/** Rotary position embedding: frequencies once, sines and cosines per position, rotation in the half-split layout. */
final class RopeTable {

    private final double[] frequencies;

    RopeTable(RopeSpec rope, int headDim) {
        frequencies = new double[headDim / 2];
        for (int i = 0; i < frequencies.length; i++) {
            double frequency = Math.pow(rope.theta(), -2.0 * i / headDim);
            Llama3Scaling scaling = rope.llama3();
            frequencies[i] = scaling == null ? frequency : scaled(frequency, scaling);
        }
    }

    /** Llama 3.1: long wavelengths are stretched, short ones kept, those between interpolated. */
    private static double scaled(double frequency, Llama3Scaling scaling) {
        double wavelength = 2 * Math.PI / frequency;
        double context = scaling.originalMaxPositionEmbeddings();
        if (wavelength < context / scaling.highFreqFactor()) {
            return frequency;
        }
        if (wavelength > context / scaling.lowFreqFactor()) {
            return frequency / scaling.factor();
        }
        double smooth =
                (context / wavelength - scaling.lowFreqFactor()) / (scaling.highFreqFactor() - scaling.lowFreqFactor());
        return (1 - smooth) * frequency / scaling.factor() + smooth * frequency;
    }

    /** Floats per position in the arrays of {@link #fill}. */
    int width() {
        return frequencies.length;
    }

    void fill(int position, float[] cosines, float[] sines, int at) {
        for (int i = 0; i < frequencies.length; i++) {
            double angle = position * frequencies[i];
            cosines[at + i] = (float) Math.cos(angle);
            sines[at + i] = (float) Math.sin(angle);
        }
    }

    /** Rotates one head in place: components i and i + headDim / 2 form a pair. */
    void rotate(float[] x, int head, float[] cosines, float[] sines, int at) {
        int half = frequencies.length;
        for (int i = 0; i < half; i++) {
            float a = x[head + i];
            float b = x[head + half + i];
            float cos = cosines[at + i];
            float sin = sines[at + i];
            x[head + i] = a * cos - b * sin;
            x[head + half + i] = b * cos + a * sin;
        }
    }
}
