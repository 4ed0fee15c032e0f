package dev.sluice.executor.cpu;

import static dev.sluice.executor.cpu.Lanes.COUNT;
import static dev.sluice.executor.cpu.Lanes.F;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Element-wise operations and reductions on rows of floats.
 *
 * <p>Only operations whose result the IEEE standard fixes are used (no library exponential, no unordered lane sum), so
 * that interpreted and compiled code agree to the bit. Sums go lane by lane, then over the lanes in order.
 */
final class VectorOps {

    private static final float LOG2_E = 1.442695f;
    private static final float ROUND = 12_582_912f; // 1.5 * 2^23: adding and subtracting it rounds to an integer
    private static final float EXP2_MIN = -126; // below this a float has no normal power of two

    private VectorOps() {}

    /** {@code y = x / rms(x) * weight}; {@code scratch} has at least one vector of room. */
    static void rmsNorm(
            float[] x, int from, int size, float[] weight, float epsilon, float[] y, int to, float[] scratch) {
        FloatVector sums = FloatVector.zero(F);
        int i = 0;
        for (; i + COUNT <= size; i += COUNT) {
            FloatVector v = FloatVector.fromArray(F, x, from + i);
            sums = v.fma(v, sums);
        }
        sums.intoArray(scratch, 0);
        float sum = 0;
        for (int lane = 0; lane < COUNT; lane++) {
            sum += scratch[lane];
        }
        for (; i < size; i++) {
            sum = Math.fma(x[from + i], x[from + i], sum);
        }
        float inverse = (float) (1 / Math.sqrt(sum / size + epsilon));
        for (i = 0; i + COUNT <= size; i += COUNT) {
            FloatVector.fromArray(F, x, from + i)
                    .mul(inverse)
                    .mul(FloatVector.fromArray(F, weight, i))
                    .intoArray(y, to + i);
        }
        for (; i < size; i++) {
            y[to + i] = x[from + i] * inverse * weight[i];
        }
    }

    /** {@code y += x}. */
    static void add(float[] x, int from, float[] y, int to, int size) {
        int i = 0;
        for (; i + COUNT <= size; i += COUNT) {
            FloatVector.fromArray(F, y, to + i)
                    .add(FloatVector.fromArray(F, x, from + i))
                    .intoArray(y, to + i);
        }
        for (; i < size; i++) {
            y[to + i] += x[from + i];
        }
    }

    /** SwiGLU: {@code y = gate * sigmoid(gate) * up}. Size is padded to whole vectors. */
    static void swiGlu(float[] gateUp, int gate, int up, float[] y, int to, int size) {
        for (int i = 0; i < size; i += COUNT) {
            FloatVector g = FloatVector.fromArray(F, gateUp, gate + i);
            FloatVector sigmoid = FloatVector.broadcast(F, 1f).div(exp(g.neg()).add(1f));
            g.mul(sigmoid).mul(FloatVector.fromArray(F, gateUp, up + i)).intoArray(y, to + i);
        }
    }

    /**
     * Turns scores into weights in place: {@code s = exp(s - max)}. Size is padded to whole vectors with negative
     * infinity.
     *
     * @return the sum of the weights
     */
    static float softmax(float[] s, int from, int size, float[] scratch) {
        FloatVector maxima = FloatVector.broadcast(F, Float.NEGATIVE_INFINITY);
        for (int i = 0; i < size; i += COUNT) {
            maxima = maxima.max(FloatVector.fromArray(F, s, from + i));
        }
        maxima.intoArray(scratch, 0);
        float max = Float.NEGATIVE_INFINITY;
        for (int lane = 0; lane < COUNT; lane++) {
            max = Math.max(max, scratch[lane]);
        }
        FloatVector sums = FloatVector.zero(F);
        for (int i = 0; i < size; i += COUNT) {
            FloatVector weights = exp(FloatVector.fromArray(F, s, from + i).sub(max));
            weights.intoArray(s, from + i);
            sums = sums.add(weights);
        }
        sums.intoArray(scratch, 0);
        float sum = 0;
        for (int lane = 0; lane < COUNT; lane++) {
            sum += scratch[lane];
        }
        return sum;
    }

    /**
     * The exponential, to about 2e-7 relative: {@code 2^n * 2^f} with f in [-0.5, 0.5], a polynomial for the latter.
     * Arguments below about -87 give zero, so negative infinity does too.
     */
    static FloatVector exp(FloatVector x) {
        FloatVector t = x.mul(LOG2_E);
        FloatVector clamped = t.max(EXP2_MIN).min(127f);
        FloatVector n = clamped.add(ROUND).sub(ROUND);
        FloatVector f = clamped.sub(n);
        FloatVector p = f.mul(1.5353362e-4f)
                .add(1.3398874e-3f)
                .fma(f, FloatVector.broadcast(F, 0.009618437f))
                .fma(f, FloatVector.broadcast(F, 5.5503324e-2f))
                .fma(f, FloatVector.broadcast(F, 2.4022648e-1f))
                .fma(f, FloatVector.broadcast(F, 6.9314720e-1f))
                .fma(f, FloatVector.broadcast(F, 1f));
        IntVector exponent =
                ((IntVector) n.convert(VectorOperators.F2I, 0)).add(127).lanewise(VectorOperators.LSHL, 23);
        FloatVector result = p.mul(exponent.reinterpretAsFloats());
        return result.blend(0f, t.compare(VectorOperators.LT, EXP2_MIN));
    }
}
