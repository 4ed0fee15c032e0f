package dev.sluice.executor.cpu;

import static dev.sluice.executor.cpu.Lanes.FLOATS;
import static dev.sluice.executor.cpu.Lanes.ORDER;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Inner loops of attention. LogprobsFormat lie along the lanes, so that no sum ever crosses them; two vectors times four query
 * rows are kept in registers.
 */
final class VectorAttention {

    private VectorAttention() {}

    /** LogprobsFormat of four queries against two vectors of keys. */
    static void scores4(
            MemorySegment kv,
            long k0,
            long k1,
            int keyStride,
            int headDim,
            float[] q,
            int q0,
            int q1,
            int q2,
            int q3,
            float[] scores,
            int s0,
            int s1,
            int s2,
            int s3,
            int first,
            int second) {
        FloatVector c00 = FloatVector.zero(FLOATS);
        FloatVector c01 = c00;
        FloatVector c10 = c00;
        FloatVector c11 = c00;
        FloatVector c20 = c00;
        FloatVector c21 = c00;
        FloatVector c30 = c00;
        FloatVector c31 = c00;
        for (int i = 0; i < headDim; i++) {
            long o = (long) i * keyStride;
            FloatVector v0 = floats(kv, k0 + o);
            FloatVector v1 = floats(kv, k1 + o);
            FloatVector x = FloatVector.broadcast(FLOATS, q[q0 + i]);
            c00 = v0.fma(x, c00);
            c01 = v1.fma(x, c01);
            x = FloatVector.broadcast(FLOATS, q[q1 + i]);
            c10 = v0.fma(x, c10);
            c11 = v1.fma(x, c11);
            x = FloatVector.broadcast(FLOATS, q[q2 + i]);
            c20 = v0.fma(x, c20);
            c21 = v1.fma(x, c21);
            x = FloatVector.broadcast(FLOATS, q[q3 + i]);
            c30 = v0.fma(x, c30);
            c31 = v1.fma(x, c31);
        }
        // All of the first vector before the second: where they overlap, the second has the valid keys.
        c00.intoArray(scores, s0 + first);
        c10.intoArray(scores, s1 + first);
        c20.intoArray(scores, s2 + first);
        c30.intoArray(scores, s3 + first);
        c01.intoArray(scores, s0 + second);
        c11.intoArray(scores, s1 + second);
        c21.intoArray(scores, s2 + second);
        c31.intoArray(scores, s3 + second);
    }

    /** LogprobsFormat of one query against two vectors of keys. */
    static void scores1(
            MemorySegment kv,
            long k0,
            long k1,
            int keyStride,
            int headDim,
            float[] q,
            int q0,
            float[] scores,
            int s0,
            int first,
            int second) {
        FloatVector c0 = FloatVector.zero(FLOATS);
        FloatVector c1 = c0;
        for (int i = 0; i < headDim; i++) {
            long o = (long) i * keyStride;
            FloatVector x = FloatVector.broadcast(FLOATS, q[q0 + i]);
            c0 = floats(kv, k0 + o).fma(x, c0);
            c1 = floats(kv, k1 + o).fma(x, c1);
        }
        c0.intoArray(scores, s0 + first);
        c1.intoArray(scores, s0 + second);
    }

    static float max(float[] values, int from, int to) {
        FloatVector largest = FloatVector.broadcast(FLOATS, Float.NEGATIVE_INFINITY);
        for (int i = from; i < to; i += Lanes.COUNT) {
            FloatVector x = FloatVector.fromArray(FLOATS, values, i);
            largest = largest.blend(x, x.compare(VectorOperators.GT, largest));
        }
        return largest.reduceLanes(VectorOperators.MAX);
    }

    /** Weighted sums of two vectors of value elements for four rows. */
    static void values4(
            MemorySegment kv,
            long base,
            long[] offsets,
            int from,
            int to,
            float[] p,
            int p0,
            int p1,
            int p2,
            int p3,
            float[] sums,
            int s0,
            int s1,
            int s2,
            int s3) {
        FloatVector c00 = FloatVector.zero(FLOATS);
        FloatVector c01 = c00;
        FloatVector c10 = c00;
        FloatVector c11 = c00;
        FloatVector c20 = c00;
        FloatVector c21 = c00;
        FloatVector c30 = c00;
        FloatVector c31 = c00;
        for (int key = from; key < to; key++) {
            long o = base + offsets[key];
            FloatVector v0 = floats(kv, o);
            FloatVector v1 = floats(kv, o + Lanes.BYTES);
            FloatVector x = FloatVector.broadcast(FLOATS, p[p0 + key]);
            c00 = v0.fma(x, c00);
            c01 = v1.fma(x, c01);
            x = FloatVector.broadcast(FLOATS, p[p1 + key]);
            c10 = v0.fma(x, c10);
            c11 = v1.fma(x, c11);
            x = FloatVector.broadcast(FLOATS, p[p2 + key]);
            c20 = v0.fma(x, c20);
            c21 = v1.fma(x, c21);
            x = FloatVector.broadcast(FLOATS, p[p3 + key]);
            c30 = v0.fma(x, c30);
            c31 = v1.fma(x, c31);
        }
        c00.intoArray(sums, s0);
        c01.intoArray(sums, s0 + Lanes.COUNT);
        c10.intoArray(sums, s1);
        c11.intoArray(sums, s1 + Lanes.COUNT);
        c20.intoArray(sums, s2);
        c21.intoArray(sums, s2 + Lanes.COUNT);
        c30.intoArray(sums, s3);
        c31.intoArray(sums, s3 + Lanes.COUNT);
    }

    /** Weighted sums of two vectors of value elements for one row. */
    static void values1(
            MemorySegment kv, long base, long[] offsets, int from, int to, float[] p, int p0, float[] sums, int s0) {
        FloatVector c0 = FloatVector.zero(FLOATS);
        FloatVector c1 = c0;
        for (int key = from; key < to; key++) {
            long o = base + offsets[key];
            FloatVector x = FloatVector.broadcast(FLOATS, p[p0 + key]);
            c0 = floats(kv, o).fma(x, c0);
            c1 = floats(kv, o + Lanes.BYTES).fma(x, c1);
        }
        c0.intoArray(sums, s0);
        c1.intoArray(sums, s0 + Lanes.COUNT);
    }

    private static FloatVector floats(MemorySegment memory, long offset) {
        return FloatVector.fromMemorySegment(FLOATS, memory, offset, ORDER);
    }
}
