package dev.sluice.executor.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/** The vector width everything here is laid out for: the machine's preferred one, 128 to 512 bits. */
final class Lanes {

    static final VectorSpecies<Float> F =
            FloatVector.SPECIES_PREFERRED.length() > 16 ? FloatVector.SPECIES_512 : FloatVector.SPECIES_PREFERRED;
    static final VectorSpecies<Integer> I =
            IntVector.SPECIES_PREFERRED.length() > 16 ? IntVector.SPECIES_512 : IntVector.SPECIES_PREFERRED;

    /** Floats in one vector. */
    static final int COUNT = F.length();

    /** Outputs in one weight panel: two vectors. */
    static final int PANEL = 2 * COUNT;

    /** Panels that the one-row kernel runs side by side, to hide the latency of fused multiply-add. */
    static final int PANELS_PER_GROUP = 4;

    /** Outputs in one group of panels: widths of activation rows are multiples of this. */
    static final int GROUP = PANEL * PANELS_PER_GROUP;

    private Lanes() {}

    /** The width of an activation row with {@code count} values. */
    static int padded(int count) {
        return (count + GROUP - 1) / GROUP * GROUP;
    }
}
