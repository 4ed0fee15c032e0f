package dev.sluice.executor.cpu;

import dev.sluice.model.RopeSpec;

/** The rotation of every pair of elements at a position, computed in double precision. */
final class RotaryAngles {

    private final double[] frequencies;

    RotaryAngles(RopeSpec rope, int headDim) {
        frequencies = rope.frequencies(headDim);
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
