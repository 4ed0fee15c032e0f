package dev.sluice.executor.cpu;

import dev.sluice.executor.cpu.PackedMatrix.Format;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/** The reference: plain loops that say what is computed, and serve where there are no vector instructions. */
final class ScalarOps implements TensorOps {

    private static final int PANEL = PackedMatrix.PANEL;
    private static final int PARTIAL_SUMS = 16;

    @Override
    public String description() {
        return "scalar code";
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
        for (int panel = 0; panel < 2; panel++) {
            for (int j = 0; j < PANEL; j++) {
                long word = offset + panel * panelBytes + (long) j * Integer.BYTES;
                float sum = 0;
                for (int k = 0; k < inputs; word += PackedMatrix.ROW_BYTES) {
                    int bits = w.get(PackedMatrix.WORD, word);
                    for (int i = 0; i < format.inputsPerWord; i++, k++) {
                        sum = Math.fma(PackedMatrix.decode(format, bits, i), a[aAt + k], sum);
                    }
                }
                sums[(panel == 0 ? at : secondAt) + j] = sum;
            }
        }
    }

    @Override
    public int tileRows() {
        return 4;
    }

    @Override
    public void unpack(Format format, MemorySegment w, long offset, int inputs, MemorySegment target) {
        for (int k = 0; k < inputs; k++) {
            long row = offset + (long) (k / format.inputsPerWord) * PackedMatrix.ROW_BYTES;
            for (int j = 0; j < PANEL; j++) {
                int bits = w.get(PackedMatrix.WORD, row + (long) j * Integer.BYTES);
                float value = PackedMatrix.decode(format, bits, k % format.inputsPerWord);
                target.set(ValueLayout.JAVA_FLOAT, ((long) k * PANEL + j) * Float.BYTES, value);
            }
        }
    }

    @Override
    public void multiplyTile(
            MemorySegment w, long offset, int inputs, float[] a, int aAt, int height, float[] sums, int at) {
        for (int k = 0; k < inputs; k++) {
            for (int j = 0; j < PANEL; j++) {
                float weight = w.get(ValueLayout.JAVA_FLOAT, offset + ((long) k * PANEL + j) * Float.BYTES);
                for (int i = 0; i < height; i++) {
                    int sum = at + i * PANEL + j;
                    sums[sum] = Math.fma(weight, a[aAt + k * height + i], sums[sum]);
                }
            }
        }
    }

    @Override
    public void scaleAndShift(float[] sums, int at, int rows, float[] scales, float[] shifts, int first) {
        for (int i = 0; i < rows * PANEL; i++) {
            int output = first + i % PANEL;
            sums[at + i] = Math.fma(sums[at + i], scales[output], shifts[output]);
        }
    }

    @Override
    public void gate(float[] values, int gate, int up, int count) {
        for (int i = 0; i < count; i++) {
            values[gate + i] = FastExp.silu(values[gate + i]) * values[up + i];
        }
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
        for (int group = 0; group < keys.groupCount(); group++) {
            for (int token = 0; token < KvArena.KEY_GROUP; token++) {
                long key = base + keys.group(group) + (long) token * Float.BYTES;
                for (int row = 0; row < rows; row++) {
                    float sum = 0;
                    for (int i = 0; i < headDim; i++) {
                        float element = kv.get(ValueLayout.JAVA_FLOAT, key + (long) i * keys.keyStride());
                        sum = Math.fma(element, queries[queryAt[row] + i], sum);
                    }
                    scores[row * KeyTile.STRIDE + KeyTile.LEAD + keys.groupAt(group) + token] = sum;
                }
            }
        }
    }

    @Override
    public void softmax(
            float[] scores, int at, int from, int to, int rangeFrom, int rangeTo, float[] max, float[] sum, int row) {
        float largest = Float.NEGATIVE_INFINITY;
        for (int i = from; i < to; i++) {
            largest = scores[at + i] > largest ? scores[at + i] : largest; // passes NaN by: its weight will tell
        }
        int partial = at - KeyTile.LEAD; // the row's own margin is free by now
        Arrays.fill(scores, partial, partial + PARTIAL_SUMS, 0);
        Arrays.fill(scores, at + rangeFrom, at + from, 0);
        Arrays.fill(scores, at + to, at + rangeTo, 0);
        for (int i = from; i < to; i++) {
            float weight = FastExp.weight(scores[at + i] - largest);
            scores[at + i] = weight;
            scores[partial + i % PARTIAL_SUMS] += weight;
        }
        max[row] = largest;
        sum[row] = foldPartialSums(scores, partial);
    }

    /** Adds 16 partial sums in the one order that all widths share. */
    static float foldPartialSums(float[] partial, int at) {
        for (int half = PARTIAL_SUMS / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                partial[at + i] += partial[at + half + i];
            }
        }
        return partial[at];
    }

    @Override
    public void values(MemorySegment kv, long base, KeyTile keys, int width, float[] weights, int rows, float[] sums) {
        Arrays.fill(sums, 0, rows * width, 0);
        for (int key = keys.from(); key < keys.to(); key++) {
            long value = base + keys.values()[key];
            for (int row = 0; row < rows; row++) {
                float weight = weights[row * KeyTile.STRIDE + KeyTile.LEAD + key];
                for (int i = 0; i < width; i++) {
                    float element = kv.get(ValueLayout.JAVA_FLOAT, value + (long) i * Float.BYTES);
                    sums[row * width + i] = Math.fma(element, weight, sums[row * width + i]);
                }
            }
        }
    }

    @Override
    public void blend(float[] sums, int at, float factor, float[] other, int otherAt, float otherFactor, int count) {
        for (int i = 0; i < count; i++) {
            sums[at + i] = Math.fma(sums[at + i], factor, other[otherAt + i] * otherFactor);
        }
    }
}
