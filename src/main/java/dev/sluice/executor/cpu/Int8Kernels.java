package dev.sluice.executor.cpu;

import static dev.sluice.executor.cpu.Lanes.COUNT;
import static dev.sluice.executor.cpu.Lanes.F;
import static dev.sluice.executor.cpu.Lanes.I;
import static dev.sluice.executor.cpu.Lanes.PANEL;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The inner loops for int8 weights and float activations; shapes and promises as in {@link GemmKernels}.
 *
 * <p>A word holds four consecutive inputs of one output as unsigned bytes. Byte {@code j} is masked out where it stands
 * and converted as it is, {@code 2^8j} times too large; the activations come divided by that power of two, which is
 * exact. The offset of 128 in the stored weights is taken back by starting each sum at {@code -128 * sum(x)}.
 */
final class Int8Kernels {

    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

    private Int8Kernels() {}

    /**
     * Prepares one row: {@code to[k] = x[k] / 2^(8 * (k % 4))}, except for the top byte, which is shifted down instead.
     *
     * @return the start of every sum
     */
    static float prepare(float[] x, int from, int inputs, float[] to, int at, int paddedInputs) {
        float sum = 0;
        for (int k = 0; k < inputs; k++) {
            float value = x[from + k];
            sum += value;
            to[at + k] = switch (k & 3) {
                case 1 -> value * 0x1p-8f;
                case 2 -> value * 0x1p-16f;
                default -> value;
            };
        }
        for (int k = inputs; k < paddedInputs; k++) {
            to[at + k] = 0;
        }
        return -PackedMatrix.INT8_BIAS * sum;
    }

    /** Eight rows, one panel. {@code starts[row]} is what {@link #prepare} returned. */
    static void x8(
            MemorySegment w,
            long at,
            int inputs,
            float[] x,
            int x0,
            int ldx,
            float[] starts,
            int row,
            float[] scales,
            int output,
            float[] y,
            int y0,
            int ldy) {
        FloatVector a0 = FloatVector.broadcast(F, starts[row]), a1 = a0;
        FloatVector b0 = FloatVector.broadcast(F, starts[row + 1]), b1 = b0;
        FloatVector c0 = FloatVector.broadcast(F, starts[row + 2]), c1 = c0;
        FloatVector d0 = FloatVector.broadcast(F, starts[row + 3]), d1 = d0;
        FloatVector e0 = FloatVector.broadcast(F, starts[row + 4]), e1 = e0;
        FloatVector f0 = FloatVector.broadcast(F, starts[row + 5]), f1 = f0;
        FloatVector g0 = FloatVector.broadcast(F, starts[row + 6]), g1 = g0;
        FloatVector h0 = FloatVector.broadcast(F, starts[row + 7]), h1 = h0;
        for (int k = 0; k < inputs; k += 4) {
            long from = at + (long) PANEL * k;
            IntVector p = IntVector.fromMemorySegment(I, w, from, LE);
            IntVector q = IntVector.fromMemorySegment(I, w, from + 4L * COUNT, LE);
            for (int j = 0; j < 4; j++) {
                FloatVector u = j == 3 ? top(p) : at(p, 0xff << (8 * j));
                FloatVector v = j == 3 ? top(q) : at(q, 0xff << (8 * j));
                int i = x0 + k + j;
                FloatVector s = FloatVector.broadcast(F, x[i]);
                a0 = u.fma(s, a0);
                a1 = v.fma(s, a1);
                s = FloatVector.broadcast(F, x[i + ldx]);
                b0 = u.fma(s, b0);
                b1 = v.fma(s, b1);
                s = FloatVector.broadcast(F, x[i + 2 * ldx]);
                c0 = u.fma(s, c0);
                c1 = v.fma(s, c1);
                s = FloatVector.broadcast(F, x[i + 3 * ldx]);
                d0 = u.fma(s, d0);
                d1 = v.fma(s, d1);
                s = FloatVector.broadcast(F, x[i + 4 * ldx]);
                e0 = u.fma(s, e0);
                e1 = v.fma(s, e1);
                s = FloatVector.broadcast(F, x[i + 5 * ldx]);
                f0 = u.fma(s, f0);
                f1 = v.fma(s, f1);
                s = FloatVector.broadcast(F, x[i + 6 * ldx]);
                g0 = u.fma(s, g0);
                g1 = v.fma(s, g1);
                s = FloatVector.broadcast(F, x[i + 7 * ldx]);
                h0 = u.fma(s, h0);
                h1 = v.fma(s, h1);
            }
        }
        store(a0, a1, scales, output, y, y0);
        store(b0, b1, scales, output, y, y0 + ldy);
        store(c0, c1, scales, output, y, y0 + 2 * ldy);
        store(d0, d1, scales, output, y, y0 + 3 * ldy);
        store(e0, e1, scales, output, y, y0 + 4 * ldy);
        store(f0, f1, scales, output, y, y0 + 5 * ldy);
        store(g0, g1, scales, output, y, y0 + 6 * ldy);
        store(h0, h1, scales, output, y, y0 + 7 * ldy);
    }

    /** One row, four panels. */
    static void x1(
            MemorySegment w,
            long at,
            long panel,
            int inputs,
            float[] x,
            int x0,
            float start,
            float[] scales,
            int output,
            float[] y,
            int y0) {
        FloatVector a0 = FloatVector.broadcast(F, start), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
        for (int k = 0; k < inputs; k += 4) {
            long from = at + (long) PANEL * k;
            FloatVector s0 = FloatVector.broadcast(F, x[x0 + k]);
            FloatVector s1 = FloatVector.broadcast(F, x[x0 + k + 1]);
            FloatVector s2 = FloatVector.broadcast(F, x[x0 + k + 2]);
            FloatVector s3 = FloatVector.broadcast(F, x[x0 + k + 3]);
            a0 = four(IntVector.fromMemorySegment(I, w, from, LE), s0, s1, s2, s3, a0);
            a1 = four(IntVector.fromMemorySegment(I, w, from + 4L * COUNT, LE), s0, s1, s2, s3, a1);
            b0 = four(IntVector.fromMemorySegment(I, w, from + panel, LE), s0, s1, s2, s3, b0);
            b1 = four(IntVector.fromMemorySegment(I, w, from + panel + 4L * COUNT, LE), s0, s1, s2, s3, b1);
            c0 = four(IntVector.fromMemorySegment(I, w, from + 2 * panel, LE), s0, s1, s2, s3, c0);
            c1 = four(IntVector.fromMemorySegment(I, w, from + 2 * panel + 4L * COUNT, LE), s0, s1, s2, s3, c1);
            d0 = four(IntVector.fromMemorySegment(I, w, from + 3 * panel, LE), s0, s1, s2, s3, d0);
            d1 = four(IntVector.fromMemorySegment(I, w, from + 3 * panel + 4L * COUNT, LE), s0, s1, s2, s3, d1);
        }
        store(a0, a1, scales, output, y, y0);
        store(b0, b1, scales, output + PANEL, y, y0 + PANEL);
        store(c0, c1, scales, output + 2 * PANEL, y, y0 + 2 * PANEL);
        store(d0, d1, scales, output + 3 * PANEL, y, y0 + 3 * PANEL);
    }

    private static FloatVector four(
            IntVector w, FloatVector s0, FloatVector s1, FloatVector s2, FloatVector s3, FloatVector sum) {
        sum = at(w, 0xff).fma(s0, sum);
        sum = at(w, 0xff00).fma(s1, sum);
        sum = at(w, 0xff0000).fma(s2, sum);
        return top(w).fma(s3, sum);
    }

    private static FloatVector at(IntVector word, int mask) {
        return (FloatVector) word.and(mask).convert(VectorOperators.I2F, 0);
    }

    private static FloatVector top(IntVector word) {
        return (FloatVector) word.lanewise(VectorOperators.LSHR, 24).convert(VectorOperators.I2F, 0);
    }

    private static void store(FloatVector first, FloatVector second, float[] scales, int output, float[] y, int at) {
        first.mul(FloatVector.fromArray(F, scales, output)).intoArray(y, at);
        second.mul(FloatVector.fromArray(F, scales, output + COUNT)).intoArray(y, at + COUNT);
    }
}
