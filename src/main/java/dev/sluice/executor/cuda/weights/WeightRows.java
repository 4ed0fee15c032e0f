package dev.sluice.executor.cuda.weights;

import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.weights.WeightTable.Part;
import dev.sluice.model.DataType;
import dev.sluice.model.Float8;
import dev.sluice.model.Tensor;
import dev.sluice.model.TensorRows;
import dev.sluice.model.WeightMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a stored tensor in the format that the device computes in: copied if they have it, else converted from the
 * numbers that they stand for, by all cores.
 */
final class WeightRows {

    private static final int SHARE = 1 << 19; // numbers that one core converts at a time

    private final Part part;
    private final HalfType type;
    private final Tensor tensor;
    private final float @Nullable [] storedScales;

    WeightRows(Part part, WeightMap weights, HalfType type) {
        this.part = part;
        this.type = type;
        tensor = weights.require(part.name(), part.shape());
        storedScales = tensor.type().isScaled() ? scales(weights, part) : null;
    }

    private static float[] scales(WeightMap weights, Part part) {
        float[] scales = new float[part.rows()];
        TensorRows.read(weights.require(part.name() + "_scale", scales.length, 1), 0, scales, scales.length);
        return scales;
    }

    /**
     * Writes some of the rows.
     *
     * @param scales of just these rows; empty if the format has none
     */
    void write(int from, int count, MemorySegment elements, MemorySegment scales) {
        int rowsOfShare = Math.max(1, SHARE / part.columns());
        IntStream.range(0, Math.ceilDiv(count, rowsOfShare)).parallel().forEach(share -> {
            int first = share * rowsOfShare;
            int rows = Math.min(rowsOfShare, count - first);
            MemorySegment target = elements.asSlice(first * part.rowBytes(), rows * part.rowBytes());
            MemorySegment targetScales =
                    scales.asSlice((long) first * part.scaleBytes(), (long) rows * part.scaleBytes());
            if (tensor.type() == wanted()) {
                copy(from + first, rows, target, targetScales);
            } else {
                convert(from + first, rows, target, targetScales);
            }
        });
    }

    private @Nullable DataType wanted() {
        return part.format() == ElementFormat.HALF
                ? type.stored()
                : part.format().stored();
    }

    private void copy(int from, int rows, MemorySegment elements, MemorySegment scales) {
        elements.copyFrom(tensor.data().asSlice(from * part.rowBytes(), rows * part.rowBytes()));
        if (storedScales != null) {
            MemorySegment.copy(storedScales, from, scales, ValueLayout.JAVA_FLOAT, 0, rows);
        }
    }

    private void convert(int from, int rows, MemorySegment elements, MemorySegment scales) {
        float[] values = new float[part.columns()];
        for (int row = 0; row < rows; row++) {
            TensorRows.read(tensor, from + row, values, values.length);
            if (storedScales != null) {
                for (int i = 0; i < values.length; i++) {
                    values[i] *= storedScales[from + row];
                }
            }
            MemorySegment target = elements.asSlice(row * part.rowBytes(), part.rowBytes());
            if (part.format().isScaled()) {
                scales.setAtIndex(ValueLayout.JAVA_FLOAT, row, quantise(values, target));
            } else {
                for (int i = 0; i < values.length; i++) {
                    target.setAtIndex(ValueLayout.JAVA_SHORT, i, type.of(values[i]));
                }
            }
        }
    }

    /**
     * As quantise.cuh does it with activations: a row of zeros has scale 0, and one with NaN or an infinity has such a scale.
     *
     * @return the row's scale
     */
    private float quantise(float[] values, MemorySegment target) {
        float most = 0;
        for (float value : values) {
            most = Math.max(most, Math.abs(value));
        }
        float largest = part.format().largest();
        float scale = most / largest;
        for (int i = 0; i < values.length; i++) {
            float quotient = scale == 0 ? 0 : values[i] / scale;
            byte element = part.format() == ElementFormat.FP8
                    ? Float8.of(quotient)
                    // A scale among the smallest numbers is rounded so much that quotients may be too large.
                    : (byte) Math.clamp(Math.rint(quotient), -largest, largest);
            target.set(ValueLayout.JAVA_BYTE, i, element);
        }
        return scale;
    }
}
