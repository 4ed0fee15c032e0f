package dev.sluice.executor.cpu;

import static dev.sluice.executor.cpu.Lanes.FLOATS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The loops that need an exponential: {@link FastExp}, step by step, in vectors.
 *
 * <p>The steps are spelled out in both loops. As a method of its own they would be compiled on their own too, and once
 * that is large the compiler calls it instead of inlining it, with a box for every vector.
 */
final class VectorExp {

    private static final int PARTIAL_SUMS = 16;

    private VectorExp() {}

    /**
     * Replaces values by {@code FastExp.weight(value - max)} and adds these into 16 partial sums in the same array; from and to are 16
     * apart or a multiple of that.
     */
    static void weights(float[] values, int from, int to, float max, int partialAt) {
        FloatVector largest = FloatVector.broadcast(FLOATS, max);
        for (int lane = 0; lane < PARTIAL_SUMS; lane += Lanes.COUNT) {
            FloatVector sum = FloatVector.zero(FLOATS); // a field would force the sum into a box
            for (int i = from + lane; i < to; i += PARTIAL_SUMS) {
                FloatVector x = FloatVector.fromArray(FLOATS, values, i).sub(largest);
                VectorMask<Float> tooSmall = x.compare(VectorOperators.LT, Lanes.MIN);
                FloatVector c = x.blend(Lanes.MIN, tooSmall); // never too large: no value exceeds max
                FloatVector rounded = c.fma(Lanes.LOG2_E, Lanes.ROUNDER);
                FloatVector n = rounded.sub(Lanes.ROUNDER);
                FloatVector r = n.fma(Lanes.LN2_LOW, n.fma(Lanes.LN2_HIGH, c));
                FloatVector p = r.fma(Lanes.P0, Lanes.P1);
                p = p.fma(r, Lanes.P2).fma(r, Lanes.P3).fma(r, Lanes.P4).fma(r, Lanes.P5);
                FloatVector power = rounded.reinterpretAsInts()
                        .lanewise(VectorOperators.LSHL, 23)
                        .add(Lanes.ONE_BITS)
                        .reinterpretAsFloats();
                FloatVector weight =
                        p.fma(r.mul(r), r).add(Lanes.ONE).mul(power).blend(Lanes.ZERO, tooSmall);
                weight.intoArray(values, i);
                sum = sum.add(weight);
            }
            sum.intoArray(values, partialAt + lane);
        }
    }

    /** {@code values[gate + i] = FastExp.silu(values[gate + i]) * values[up + i]}. */
    static void gate(float[] values, int gate, int up, int count) {
        for (int i = 0; i < count; i += Lanes.COUNT) {
            FloatVector x = FloatVector.fromArray(FLOATS, values, gate + i);
            FloatVector c = x.neg();
            c = c.blend(Lanes.MIN, c.compare(VectorOperators.LT, Lanes.MIN)); // unlike min and max, costs little
            c = c.blend(Lanes.MAX, c.compare(VectorOperators.GT, Lanes.MAX));
            FloatVector rounded = c.fma(Lanes.LOG2_E, Lanes.ROUNDER);
            FloatVector n = rounded.sub(Lanes.ROUNDER);
            FloatVector r = n.fma(Lanes.LN2_LOW, n.fma(Lanes.LN2_HIGH, c));
            FloatVector p = r.fma(Lanes.P0, Lanes.P1);
            p = p.fma(r, Lanes.P2).fma(r, Lanes.P3).fma(r, Lanes.P4).fma(r, Lanes.P5);
            FloatVector power = rounded.reinterpretAsInts()
                    .lanewise(VectorOperators.LSHL, 23)
                    .add(Lanes.ONE_BITS)
                    .reinterpretAsFloats();
            FloatVector exp = p.fma(r.mul(r), r).add(Lanes.ONE).mul(power);
            x.div(exp.add(Lanes.ONE))
                    .mul(FloatVector.fromArray(FLOATS, values, up + i))
                    .intoArray(values, gate + i);
        }
    }
}
