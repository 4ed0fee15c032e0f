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
 * The inner loops of matrix multiplication: {@code y[row][output] = sum over input of x[row][input] * w[output][input]}.
 *
 * <p>Two shapes per weight format: eight rows on one panel, where each weight that is loaded is used eight times, and one
 * row on a group of four panels, where eight independent sums hide the latency of the fused multiply-add. In both, each
 * output is one chain of fused multiply-adds in the order of the inputs. That makes every result independent of how many
 * rows were computed together, and bit-identical to {@link ScalarOps}.
 */
final class GemmKernels {

    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int HIGH_HALF = 0xffff0000;

    private GemmKernels() {}

    /** Eight rows, one panel, F32 weights. */
    static void f32x8(MemorySegment w, long at, int inputs, float[] x, int x0, int ldx, float[] y, int y0, int ldy) {
        FloatVector a0 = FloatVector.zero(F), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
        FloatVector e0 = a0, e1 = a0, f0 = a0, f1 = a0, g0 = a0, g1 = a0, h0 = a0, h1 = a0;
        for (int k = 0; k < inputs; k++) {
            long from = at + 4L * PANEL * k;
            FloatVector u = FloatVector.fromMemorySegment(F, w, from, LE);
            FloatVector v = FloatVector.fromMemorySegment(F, w, from + 4L * COUNT, LE);
            int i = x0 + k;
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
        store(a0, a1, y, y0);
        store(b0, b1, y, y0 + ldy);
        store(c0, c1, y, y0 + 2 * ldy);
        store(d0, d1, y, y0 + 3 * ldy);
        store(e0, e1, y, y0 + 4 * ldy);
        store(f0, f1, y, y0 + 5 * ldy);
        store(g0, g1, y, y0 + 6 * ldy);
        store(h0, h1, y, y0 + 7 * ldy);
    }

    /** Eight rows, one panel, BF16 weights: a half of an int is the upper half of the float with the same value. */
    static void bf16x8(MemorySegment w, long at, int inputs, float[] x, int x0, int ldx, float[] y, int y0, int ldy) {
        FloatVector a0 = FloatVector.zero(F), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
        FloatVector e0 = a0, e1 = a0, f0 = a0, f1 = a0, g0 = a0, g1 = a0, h0 = a0, h1 = a0;
        for (int k = 0; k < inputs; k++) {
            IntVector pair = IntVector.fromMemorySegment(I, w, at + 4L * COUNT * k, LE);
            FloatVector u = low(pair);
            FloatVector v = high(pair);
            int i = x0 + k;
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
        store(a0, a1, y, y0);
        store(b0, b1, y, y0 + ldy);
        store(c0, c1, y, y0 + 2 * ldy);
        store(d0, d1, y, y0 + 3 * ldy);
        store(e0, e1, y, y0 + 4 * ldy);
        store(f0, f1, y, y0 + 5 * ldy);
        store(g0, g1, y, y0 + 6 * ldy);
        store(h0, h1, y, y0 + 7 * ldy);
    }

    /** One row, four panels, F32 weights. */
    static void f32x1(MemorySegment w, long at, long panel, int inputs, float[] x, int x0, float[] y, int y0) {
        FloatVector a0 = FloatVector.zero(F), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
        for (int k = 0; k < inputs; k++) {
            long from = at + 4L * PANEL * k;
            FloatVector s = FloatVector.broadcast(F, x[x0 + k]);
            a0 = FloatVector.fromMemorySegment(F, w, from, LE).fma(s, a0);
            a1 = FloatVector.fromMemorySegment(F, w, from + 4L * COUNT, LE).fma(s, a1);
            b0 = FloatVector.fromMemorySegment(F, w, from + panel, LE).fma(s, b0);
            b1 = FloatVector.fromMemorySegment(F, w, from + panel + 4L * COUNT, LE)
                    .fma(s, b1);
            c0 = FloatVector.fromMemorySegment(F, w, from + 2 * panel, LE).fma(s, c0);
            c1 = FloatVector.fromMemorySegment(F, w, from + 2 * panel + 4L * COUNT, LE)
                    .fma(s, c1);
            d0 = FloatVector.fromMemorySegment(F, w, from + 3 * panel, LE).fma(s, d0);
            d1 = FloatVector.fromMemorySegment(F, w, from + 3 * panel + 4L * COUNT, LE)
                    .fma(s, d1);
        }
        store(a0, a1, y, y0);
        store(b0, b1, y, y0 + PANEL);
        store(c0, c1, y, y0 + 2 * PANEL);
        store(d0, d1, y, y0 + 3 * PANEL);
    }

    /** One row, four panels, BF16 weights. */
    static void bf16x1(MemorySegment w, long at, long panel, int inputs, float[] x, int x0, float[] y, int y0) {
        FloatVector a0 = FloatVector.zero(F), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
        for (int k = 0; k < inputs; k++) {
            long from = at + 4L * COUNT * k;
            FloatVector s = FloatVector.broadcast(F, x[x0 + k]);
            IntVector p = IntVector.fromMemorySegment(I, w, from, LE);
            IntVector q = IntVector.fromMemorySegment(I, w, from + panel, LE);
            a0 = low(p).fma(s, a0);
            a1 = high(p).fma(s, a1);
            b0 = low(q).fma(s, b0);
            b1 = high(q).fma(s, b1);
            p = IntVector.fromMemorySegment(I, w, from + 2 * panel, LE);
            q = IntVector.fromMemorySegment(I, w, from + 3 * panel, LE);
            c0 = low(p).fma(s, c0);
            c1 = high(p).fma(s, c1);
            d0 = low(q).fma(s, d0);
            d1 = high(q).fma(s, d1);
        }
        store(a0, a1, y, y0);
        store(b0, b1, y, y0 + PANEL);
        store(c0, c1, y, y0 + 2 * PANEL);
        store(d0, d1, y, y0 + 3 * PANEL);
    }

    private static FloatVector low(IntVector pair) {
        return pair.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
    }

    private static FloatVector high(IntVector pair) {
        return pair.and(HIGH_HALF).reinterpretAsFloats();
    }

    private static void store(FloatVector first, FloatVector second, float[] y, int at) {
        first.intoArray(y, at);
        second.intoArray(y, at + COUNT);
    }
}
