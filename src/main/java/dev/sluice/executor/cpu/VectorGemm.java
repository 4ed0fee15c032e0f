package dev.sluice.executor.cpu;

import static dev.sluice.executor.cpu.Lanes.FLOATS;
import static dev.sluice.executor.cpu.Lanes.INTS;
import static dev.sluice.executor.cpu.Lanes.LOW_BYTE;
import static dev.sluice.executor.cpu.Lanes.LOW_BYTE_BIAS;
import static dev.sluice.executor.cpu.Lanes.LOW_BYTE_EXPONENT;
import static dev.sluice.executor.cpu.Lanes.NEXT_BYTE;
import static dev.sluice.executor.cpu.Lanes.NEXT_BYTE_BIAS;
import static dev.sluice.executor.cpu.Lanes.NEXT_BYTE_EXPONENT;
import static dev.sluice.executor.cpu.Lanes.ORDER;
import static dev.sluice.executor.cpu.PackedMatrix.PANEL;
import static dev.sluice.executor.cpu.PackedMatrix.ROW_BYTES;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Inner loops of the matrix products.
 *
 * <p>A single row should be bound by memory: weights are decoded on the fly, and two panels are read at a time, because
 * two chains of additions would wait for each other. More rows are bound by arithmetic: weights are decoded once into
 * F32, then two vectors of outputs times four or eight rows are kept in registers. Either way each sum is one chain of
 * fused additions over ascending inputs.
 *
 * <p>The compiler inlines up to 8,000 bytecodes into a method, some thirty vector operations; then only what the JDK
 * marks as to be inlined at any price, which the Vector API is and a helper of ours is not. Every vector that crosses a
 * call is an object, so large loops call the API itself. Unpacked weights lie outside of the heap, where they can be
 * aligned to cache lines.
 */
final class VectorGemm {

    private VectorGemm() {}

    static void rowF32(
            MemorySegment w,
            long offset,
            long secondOffset,
            int inputs,
            float[] a,
            int aAt,
            float[] sums,
            int at,
            int secondAt) {
        FloatVector c0 = FloatVector.zero(FLOATS);
        FloatVector c1 = c0;
        FloatVector c2 = c0;
        FloatVector c3 = c0;
        for (int k = 0; k < inputs; k++) {
            long o = offset + (long) k * ROW_BYTES;
            long p = secondOffset + (long) k * ROW_BYTES;
            FloatVector x = FloatVector.broadcast(FLOATS, a[aAt + k]);
            c0 = floats(w, o).fma(x, c0);
            c1 = floats(w, o + Lanes.BYTES).fma(x, c1);
            c2 = floats(w, p).fma(x, c2);
            c3 = floats(w, p + Lanes.BYTES).fma(x, c3);
        }
        c0.intoArray(sums, at);
        c1.intoArray(sums, at + Lanes.COUNT);
        c2.intoArray(sums, secondAt);
        c3.intoArray(sums, secondAt + Lanes.COUNT);
    }

    static void rowBf16(
            MemorySegment w,
            long offset,
            long secondOffset,
            int inputs,
            float[] a,
            int aAt,
            float[] sums,
            int at,
            int secondAt) {
        FloatVector c0 = FloatVector.zero(FLOATS);
        FloatVector c1 = c0;
        FloatVector c2 = c0;
        FloatVector c3 = c0;
        int words = inputs / 2;
        for (int k = 0; k < words; k++) {
            long o = offset + (long) k * ROW_BYTES;
            long p = secondOffset + (long) k * ROW_BYTES;
            int i = aAt + 2 * k;
            IntVector v0 = ints(w, o);
            IntVector v1 = ints(w, o + Lanes.BYTES);
            IntVector v2 = ints(w, p);
            IntVector v3 = ints(w, p + Lanes.BYTES);
            FloatVector x = FloatVector.broadcast(FLOATS, a[i]);
            c0 = Lanes.lowHalf(v0).fma(x, c0);
            c1 = Lanes.lowHalf(v1).fma(x, c1);
            c2 = Lanes.lowHalf(v2).fma(x, c2);
            c3 = Lanes.lowHalf(v3).fma(x, c3);
            x = FloatVector.broadcast(FLOATS, a[i + 1]);
            c0 = Lanes.highHalf(v0).fma(x, c0);
            c1 = Lanes.highHalf(v1).fma(x, c1);
            c2 = Lanes.highHalf(v2).fma(x, c2);
            c3 = Lanes.highHalf(v3).fma(x, c3);
        }
        c0.intoArray(sums, at);
        c1.intoArray(sums, at + Lanes.COUNT);
        c2.intoArray(sums, secondAt);
        c3.intoArray(sums, secondAt + Lanes.COUNT);
    }

    /** As {@link #rowF32}; what {@link Lanes#lowByte} and its like do is written out, because there is so much of it. */
    static void rowI8(
            MemorySegment w,
            long offset,
            long secondOffset,
            int inputs,
            float[] a,
            int aAt,
            float[] sums,
            int at,
            int secondAt) {
        FloatVector c0 = FloatVector.zero(FLOATS);
        FloatVector c1 = c0;
        FloatVector c2 = c0;
        FloatVector c3 = c0;
        int words = inputs / 4;
        for (int k = 0; k < words; k++) {
            long o = offset + (long) k * ROW_BYTES;
            long p = secondOffset + (long) k * ROW_BYTES;
            int i = aAt + 4 * k;
            IntVector v0 = IntVector.fromMemorySegment(INTS, w, o, ORDER);
            IntVector v1 = IntVector.fromMemorySegment(INTS, w, o + Lanes.BYTES, ORDER);
            IntVector v2 = IntVector.fromMemorySegment(INTS, w, p, ORDER);
            IntVector v3 = IntVector.fromMemorySegment(INTS, w, p + Lanes.BYTES, ORDER);
            FloatVector x = FloatVector.broadcast(FLOATS, a[i]);
            c0 = v0.and(LOW_BYTE)
                    .or(LOW_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(LOW_BYTE_BIAS)
                    .fma(x, c0);
            c1 = v1.and(LOW_BYTE)
                    .or(LOW_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(LOW_BYTE_BIAS)
                    .fma(x, c1);
            c2 = v2.and(LOW_BYTE)
                    .or(LOW_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(LOW_BYTE_BIAS)
                    .fma(x, c2);
            c3 = v3.and(LOW_BYTE)
                    .or(LOW_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(LOW_BYTE_BIAS)
                    .fma(x, c3);
            x = FloatVector.broadcast(FLOATS, a[i + 1]);
            c0 = v0.and(NEXT_BYTE)
                    .or(NEXT_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(NEXT_BYTE_BIAS)
                    .fma(x, c0);
            c1 = v1.and(NEXT_BYTE)
                    .or(NEXT_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(NEXT_BYTE_BIAS)
                    .fma(x, c1);
            c2 = v2.and(NEXT_BYTE)
                    .or(NEXT_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(NEXT_BYTE_BIAS)
                    .fma(x, c2);
            c3 = v3.and(NEXT_BYTE)
                    .or(NEXT_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(NEXT_BYTE_BIAS)
                    .fma(x, c3);
            v0 = v0.lanewise(VectorOperators.LSHR, 16);
            v1 = v1.lanewise(VectorOperators.LSHR, 16);
            v2 = v2.lanewise(VectorOperators.LSHR, 16);
            v3 = v3.lanewise(VectorOperators.LSHR, 16);
            x = FloatVector.broadcast(FLOATS, a[i + 2]);
            c0 = v0.and(LOW_BYTE)
                    .or(LOW_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(LOW_BYTE_BIAS)
                    .fma(x, c0);
            c1 = v1.and(LOW_BYTE)
                    .or(LOW_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(LOW_BYTE_BIAS)
                    .fma(x, c1);
            c2 = v2.and(LOW_BYTE)
                    .or(LOW_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(LOW_BYTE_BIAS)
                    .fma(x, c2);
            c3 = v3.and(LOW_BYTE)
                    .or(LOW_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(LOW_BYTE_BIAS)
                    .fma(x, c3);
            x = FloatVector.broadcast(FLOATS, a[i + 3]);
            c0 = v0.and(NEXT_BYTE)
                    .or(NEXT_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(NEXT_BYTE_BIAS)
                    .fma(x, c0);
            c1 = v1.and(NEXT_BYTE)
                    .or(NEXT_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(NEXT_BYTE_BIAS)
                    .fma(x, c1);
            c2 = v2.and(NEXT_BYTE)
                    .or(NEXT_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(NEXT_BYTE_BIAS)
                    .fma(x, c2);
            c3 = v3.and(NEXT_BYTE)
                    .or(NEXT_BYTE_EXPONENT)
                    .reinterpretAsFloats()
                    .sub(NEXT_BYTE_BIAS)
                    .fma(x, c3);
        }
        c0.intoArray(sums, at);
        c1.intoArray(sums, at + Lanes.COUNT);
        c2.intoArray(sums, secondAt);
        c3.intoArray(sums, secondAt + Lanes.COUNT);
    }

    static void unpackBf16(MemorySegment w, long offset, int inputs, MemorySegment target) {
        for (long part = 0; part < ROW_BYTES; part += Lanes.BYTES) {
            for (int k = 0; k < inputs / 2; k++) {
                IntVector v = ints(w, offset + part + (long) k * ROW_BYTES);
                long o = part + (long) k * (2 * ROW_BYTES);
                Lanes.lowHalf(v).intoMemorySegment(target, o, ORDER);
                Lanes.highHalf(v).intoMemorySegment(target, o + ROW_BYTES, ORDER);
            }
        }
    }

    static void unpackI8(MemorySegment w, long offset, int inputs, MemorySegment target) {
        for (long part = 0; part < ROW_BYTES; part += Lanes.BYTES) {
            for (int k = 0; k < inputs / 4; k++) {
                IntVector v = ints(w, offset + part + (long) k * ROW_BYTES);
                IntVector upper = Lanes.upperBytes(v);
                long o = part + (long) k * (4 * ROW_BYTES);
                Lanes.lowByte(v).intoMemorySegment(target, o, ORDER);
                Lanes.nextByte(v).intoMemorySegment(target, o + ROW_BYTES, ORDER);
                Lanes.lowByte(upper).intoMemorySegment(target, o + 2 * ROW_BYTES, ORDER);
                Lanes.nextByte(upper).intoMemorySegment(target, o + 3 * ROW_BYTES, ORDER);
            }
        }
    }

    /** Four rows times two vectors of outputs. */
    static void tile4(MemorySegment w, long offset, int inputs, float[] a, int aAt, float[] sums, int at) {
        int second = at + Lanes.COUNT;
        FloatVector c00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector c01 = FloatVector.fromArray(FLOATS, sums, second);
        FloatVector c10 = FloatVector.fromArray(FLOATS, sums, at + PANEL);
        FloatVector c11 = FloatVector.fromArray(FLOATS, sums, second + PANEL);
        FloatVector c20 = FloatVector.fromArray(FLOATS, sums, at + 2 * PANEL);
        FloatVector c21 = FloatVector.fromArray(FLOATS, sums, second + 2 * PANEL);
        FloatVector c30 = FloatVector.fromArray(FLOATS, sums, at + 3 * PANEL);
        FloatVector c31 = FloatVector.fromArray(FLOATS, sums, second + 3 * PANEL);
        for (int k = 0; k < inputs; k++) {
            long o = offset + (long) k * ROW_BYTES;
            int i = aAt + k * 4;
            FloatVector w0 = floats(w, o);
            FloatVector w1 = floats(w, o + Lanes.BYTES);
            FloatVector x = FloatVector.broadcast(FLOATS, a[i]);
            c00 = w0.fma(x, c00);
            c01 = w1.fma(x, c01);
            x = FloatVector.broadcast(FLOATS, a[i + 1]);
            c10 = w0.fma(x, c10);
            c11 = w1.fma(x, c11);
            x = FloatVector.broadcast(FLOATS, a[i + 2]);
            c20 = w0.fma(x, c20);
            c21 = w1.fma(x, c21);
            x = FloatVector.broadcast(FLOATS, a[i + 3]);
            c30 = w0.fma(x, c30);
            c31 = w1.fma(x, c31);
        }
        c00.intoArray(sums, at);
        c01.intoArray(sums, second);
        c10.intoArray(sums, at + PANEL);
        c11.intoArray(sums, second + PANEL);
        c20.intoArray(sums, at + 2 * PANEL);
        c21.intoArray(sums, second + 2 * PANEL);
        c30.intoArray(sums, at + 3 * PANEL);
        c31.intoArray(sums, second + 3 * PANEL);
    }

    /** Eight rows times two vectors of outputs: for machines with 32 registers. */
    static void tile8(MemorySegment w, long offset, int inputs, float[] a, int aAt, float[] sums, int at) {
        int second = at + Lanes.COUNT;
        FloatVector c00 = FloatVector.fromArray(FLOATS, sums, at);
        FloatVector c01 = FloatVector.fromArray(FLOATS, sums, second);
        FloatVector c10 = FloatVector.fromArray(FLOATS, sums, at + PANEL);
        FloatVector c11 = FloatVector.fromArray(FLOATS, sums, second + PANEL);
        FloatVector c20 = FloatVector.fromArray(FLOATS, sums, at + 2 * PANEL);
        FloatVector c21 = FloatVector.fromArray(FLOATS, sums, second + 2 * PANEL);
        FloatVector c30 = FloatVector.fromArray(FLOATS, sums, at + 3 * PANEL);
        FloatVector c31 = FloatVector.fromArray(FLOATS, sums, second + 3 * PANEL);
        FloatVector c40 = FloatVector.fromArray(FLOATS, sums, at + 4 * PANEL);
        FloatVector c41 = FloatVector.fromArray(FLOATS, sums, second + 4 * PANEL);
        FloatVector c50 = FloatVector.fromArray(FLOATS, sums, at + 5 * PANEL);
        FloatVector c51 = FloatVector.fromArray(FLOATS, sums, second + 5 * PANEL);
        FloatVector c60 = FloatVector.fromArray(FLOATS, sums, at + 6 * PANEL);
        FloatVector c61 = FloatVector.fromArray(FLOATS, sums, second + 6 * PANEL);
        FloatVector c70 = FloatVector.fromArray(FLOATS, sums, at + 7 * PANEL);
        FloatVector c71 = FloatVector.fromArray(FLOATS, sums, second + 7 * PANEL);
        for (int k = 0; k < inputs; k++) {
            long o = offset + (long) k * ROW_BYTES;
            int i = aAt + k * 8;
            FloatVector w0 = floats(w, o);
            FloatVector w1 = floats(w, o + Lanes.BYTES);
            FloatVector x = FloatVector.broadcast(FLOATS, a[i]);
            c00 = w0.fma(x, c00);
            c01 = w1.fma(x, c01);
            x = FloatVector.broadcast(FLOATS, a[i + 1]);
            c10 = w0.fma(x, c10);
            c11 = w1.fma(x, c11);
            x = FloatVector.broadcast(FLOATS, a[i + 2]);
            c20 = w0.fma(x, c20);
            c21 = w1.fma(x, c21);
            x = FloatVector.broadcast(FLOATS, a[i + 3]);
            c30 = w0.fma(x, c30);
            c31 = w1.fma(x, c31);
            x = FloatVector.broadcast(FLOATS, a[i + 4]);
            c40 = w0.fma(x, c40);
            c41 = w1.fma(x, c41);
            x = FloatVector.broadcast(FLOATS, a[i + 5]);
            c50 = w0.fma(x, c50);
            c51 = w1.fma(x, c51);
            x = FloatVector.broadcast(FLOATS, a[i + 6]);
            c60 = w0.fma(x, c60);
            c61 = w1.fma(x, c61);
            x = FloatVector.broadcast(FLOATS, a[i + 7]);
            c70 = w0.fma(x, c70);
            c71 = w1.fma(x, c71);
        }
        c00.intoArray(sums, at);
        c01.intoArray(sums, second);
        c10.intoArray(sums, at + PANEL);
        c11.intoArray(sums, second + PANEL);
        c20.intoArray(sums, at + 2 * PANEL);
        c21.intoArray(sums, second + 2 * PANEL);
        c30.intoArray(sums, at + 3 * PANEL);
        c31.intoArray(sums, second + 3 * PANEL);
        c40.intoArray(sums, at + 4 * PANEL);
        c41.intoArray(sums, second + 4 * PANEL);
        c50.intoArray(sums, at + 5 * PANEL);
        c51.intoArray(sums, second + 5 * PANEL);
        c60.intoArray(sums, at + 6 * PANEL);
        c61.intoArray(sums, second + 6 * PANEL);
        c70.intoArray(sums, at + 7 * PANEL);
        c71.intoArray(sums, second + 7 * PANEL);
    }

    private static FloatVector floats(MemorySegment memory, long offset) {
        return FloatVector.fromMemorySegment(FLOATS, memory, offset, ORDER);
    }

    private static IntVector ints(MemorySegment memory, long offset) {
        return IntVector.fromMemorySegment(INTS, memory, offset, ORDER);
    }
}
