package dev.sluice.executor.cpu;

import static dev.sluice.executor.cpu.Lanes.FLOATS;
import static dev.sluice.executor.cpu.PackedMatrix.PANEL;

import dev.sluice.executor.cpu.PackedMatrix.Format;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** The operations in the Vector API, in the widest vectors that the machine prefers. */
final class VectorOps implements TensorOps {

    private static final int ROWS = 4; // query rows per kernel call

    /** False if this machine has no vectors worth the name. */
    static boolean isSupported() {
        return Lanes.COUNT >= 4;
    }

    @Override
    public String description() {
        return Lanes.BYTES * Byte.SIZE + "-bit vectors";
    }

    @Override
    public void multiplyRow(
            Format format,
            MemorySegment w,
            long offset,
            long panelBytes,
            int inputs,
            float[] a,
            int aAt,
            float[] sums,
            int at,
            int secondAt) {
        for (int column = 0; column < PANEL; column += 2 * Lanes.COUNT) {
            long o = offset + (long) column * Float.BYTES;
            long p = o + panelBytes;
            int first = at + column;
            int second = secondAt + column;
            switch (format) {
                case F32 -> VectorGemm.rowF32(w, o, p, inputs, a, aAt, sums, first, second);
                case BF16 -> VectorGemm.rowBf16(w, o, p, inputs, a, aAt, sums, first, second);
                case I8 -> VectorGemm.rowI8(w, o, p, inputs, a, aAt, sums, first, second);
            }
        }
    }

    @Override
    public int tileRows() {
        return Lanes.COUNT >= 16 ? 8 : 4; // AVX-512 has 32 registers, AVX2 has 16
    }

    @Override
    public void unpack(Format format, MemorySegment w, long offset, int inputs, MemorySegment target) {
        switch (format) {
            case F32 -> MemorySegment.copy(w, offset, target, 0, (long) inputs * PackedMatrix.ROW_BYTES);
            case BF16 -> VectorGemm.unpackBf16(w, offset, inputs, target);
            case I8 -> VectorGemm.unpackI8(w, offset, inputs, target);
        }
    }

    @Override
    public void multiplyTile(
            MemorySegment w, long offset, int inputs, float[] a, int aAt, int height, float[] sums, int at) {
        for (int column = 0; column < PANEL; column += 2 * Lanes.COUNT) {
            long o = offset + (long) column * Float.BYTES;
            if (height == 8) {
                VectorGemm.tile8(w, o, inputs, a, aAt, sums, at + column);
            } else {
                VectorGemm.tile4(w, o, inputs, a, aAt, sums, at + column);
            }
        }
    }

    @Override
    public void scaleAndShift(float[] sums, int at, int rows, float[] scales, float[] shifts, int first) {
        for (int j = 0; j < PANEL; j += Lanes.COUNT) {
            FloatVector scale = FloatVector.fromArray(FLOATS, scales, first + j);
            FloatVector shift = FloatVector.fromArray(FLOATS, shifts, first + j);
            for (int i = 0; i < rows; i++) {
                int sum = at + i * PANEL + j;
                FloatVector.fromArray(FLOATS, sums, sum).fma(scale, shift).intoArray(sums, sum);
            }
        }
    }

    @Override
    public void gate(float[] values, int gate, int up, int count) {
        VectorExp.gate(values, gate, up, count);
    }

    @Override
    public void scores(
            MemorySegment kv,
            long base,
            KeyTile keys,
            int headDim,
            float[] queries,
            int[] queryAt,
            int rows,
            float[] scores) {
        int perGroup = KvArena.KEY_GROUP / Lanes.COUNT;
        int vectors = keys.groupCount() * perGroup;
        for (int v = 0; v < vectors; v += 2) {
            int w = Math.min(v + 1, vectors - 1); // an odd last one is computed twice
            long k0 = base + keys.group(v / perGroup) + (long) (v % perGroup) * Lanes.BYTES;
            long k1 = base + keys.group(w / perGroup) + (long) (w % perGroup) * Lanes.BYTES;
            int first = KeyTile.LEAD + keys.groupAt(v / perGroup) + v % perGroup * Lanes.COUNT;
            int second = KeyTile.LEAD + keys.groupAt(w / perGroup) + w % perGroup * Lanes.COUNT;
            for (int row = 0; row < rows; row += ROWS) {
                int s0 = row * KeyTile.STRIDE;
                if (row + 1 == rows) {
                    VectorAttention.scores1(
                            kv, k0, k1, keys.keyStride(), headDim, queries, queryAt[row], scores, s0, first, second);
                } else {
                    int r1 = Math.min(row + 1, rows - 1); // missing rows repeat the last one
                    int r2 = Math.min(row + 2, rows - 1);
                    int r3 = Math.min(row + 3, rows - 1);
                    VectorAttention.scores4(
                            kv,
                            k0,
                            k1,
                            keys.keyStride(),
                            headDim,
                            queries,
                            queryAt[row],
                            queryAt[r1],
                            queryAt[r2],
                            queryAt[r3],
                            scores,
                            s0,
                            r1 * KeyTile.STRIDE,
                            r2 * KeyTile.STRIDE,
                            r3 * KeyTile.STRIDE,
                            first,
                            second);
                }
            }
        }
    }

    @Override
    public void softmax(
            float[] scores, int at, int from, int to, int rangeFrom, int rangeTo, float[] max, float[] sum, int row) {
        Arrays.fill(scores, at + rangeFrom, at + from, Float.NEGATIVE_INFINITY);
        Arrays.fill(scores, at + to, at + rangeTo, Float.NEGATIVE_INFINITY);
        float largest = VectorAttention.max(scores, at + rangeFrom, at + rangeTo);
        int partial = at - KeyTile.LEAD; // the row's own margin is free by now
        VectorExp.weights(scores, at + rangeFrom, at + rangeTo, largest, partial);
        max[row] = largest;
        sum[row] = ScalarOps.foldPartialSums(scores, partial);
    }

    @Override
    public void values(MemorySegment kv, long base, KeyTile keys, int width, float[] weights, int rows, float[] sums) {
        int from = keys.from();
        int to = keys.to();
        long[] offsets = keys.values();
        for (int row = 0; row < rows; row += ROWS) {
            int r1 = Math.min(row + 1, rows - 1);
            int r2 = Math.min(row + 2, rows - 1);
            int r3 = Math.min(row + 3, rows - 1);
            int p0 = row * KeyTile.STRIDE + KeyTile.LEAD;
            for (int i = 0; i < width; i += 2 * Lanes.COUNT) {
                long column = base + (long) i * Float.BYTES;
                if (row == r1) {
                    VectorAttention.values1(kv, column, offsets, from, to, weights, p0, sums, row * width + i);
                } else {
                    VectorAttention.values4(
                            kv,
                            column,
                            offsets,
                            from,
                            to,
                            weights,
                            p0,
                            r1 * KeyTile.STRIDE + KeyTile.LEAD,
                            r2 * KeyTile.STRIDE + KeyTile.LEAD,
                            r3 * KeyTile.STRIDE + KeyTile.LEAD,
                            sums,
                            row * width + i,
                            r1 * width + i,
                            r2 * width + i,
                            r3 * width + i);
                }
            }
        }
    }

    @Override
    public void blend(float[] sums, int at, float factor, float[] other, int otherAt, float otherFactor, int count) {
        FloatVector f = Lanes.constant(factor);
        FloatVector g = Lanes.constant(otherFactor);
        for (int i = 0; i < count; i += Lanes.COUNT) {
            FloatVector x = FloatVector.fromArray(FLOATS, sums, at + i);
            FloatVector y = FloatVector.fromArray(FLOATS, other, otherAt + i);
            x.fma(f, y.mul(g)).intoArray(sums, at + i);
        }
    }
}
