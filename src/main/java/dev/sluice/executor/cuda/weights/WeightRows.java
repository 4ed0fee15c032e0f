package dev.sluice.executor.cuda.weights;

import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.weights.WeightTable.Part;
import dev.sluice.model.DataType;
import dev.sluice.model.Float8;
import dev.sluice.model.Tensor;
import dev.sluice.model.TensorRows;
import dev.sluice.model.WeightMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The rows of a part in the format that the device computes in: copied if they have it, else converted from the numbers that
 * they stand for, by all cores.
 */
final class WeightRows {

    private static final int SHARE = 1 << 19; // numbers that one core converts at a time

    private final Part part;
    private final HalfType type;
    private final List<Source> sources;

    /**
     * A tensor that rows come from.
     *
     * @param scales of its rows, if they have them
     */
    @SuppressWarnings("ArrayRecordComponent") // read once, at the start
    private record Source(Tensor tensor, float @Nullable [] scales) {

        static Source of(String name, long[] shape, WeightMap weights) {
            Tensor tensor = weights.require(name, shape);
            if (!tensor.type().isScaled()) {
                return new Source(tensor, null);
            }
            float[] scales = new float[(int) shape[0]];
            TensorRows.read(weights.require(name + "_scale", scales.length, 1), 0, scales, scales.length);
            return new Source(tensor, scales);
        }
    }

    WeightRows(Part part, WeightMap weights, HalfType type) {
        this.part = part;
        this.type = type;
        sources = part.names().stream()
                .map(name -> Source.of(name, part.shape(), weights))
                .toList();
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
            for (int done = 0; done < rows; ) {
                int at = first + done;
                int run = run(from + at, rows - done);
                MemorySegment target = elements.asSlice(at * part.rowBytes(), run * part.rowBytes());
                MemorySegment targetScales =
                        scales.asSlice((long) at * part.scaleBytes(), (long) run * part.scaleBytes());
                writeRun(from + at, run, target, targetScales);
                done += run;
            }
        });
    }

    /** How many of the rows from this one on lie together in their file. */
    private int run(int row, int rows) {
        return sources.size() == 1 ? rows : Math.min(rows, Epilogue.GROUP - row % Epilogue.GROUP);
    }

    /** Writes rows that lie together in their file. */
    private void writeRun(int row, int rows, MemorySegment elements, MemorySegment scales) {
        int group = row / Epilogue.GROUP;
        Source source = sources.get(group % sources.size());
        int first = group / sources.size() * Epilogue.GROUP + row % Epilogue.GROUP;
        if (source.tensor.type() == wanted()) {
            copy(source, first, rows, elements, scales);
        } else {
            convert(source, first, rows, elements, scales);
        }
    }

    private @Nullable DataType wanted() {
        return part.format() == ElementFormat.HALF
                ? type.stored()
                : part.format().stored();
    }

    private void copy(Source source, int from, int rows, MemorySegment elements, MemorySegment scales) {
        elements.copyFrom(source.tensor.data().asSlice(from * part.rowBytes(), rows * part.rowBytes()));
        if (source.scales != null) {
            MemorySegment.copy(source.scales, from, scales, ValueLayout.JAVA_FLOAT, 0, rows);
        }
    }

    private void convert(Source source, int from, int rows, MemorySegment elements, MemorySegment scales) {
        float[] values = new float[part.columns()];
        for (int row = 0; row < rows; row++) {
            TensorRows.read(source.tensor, from + row, values, values.length);
            if (source.scales != null) {
                for (int i = 0; i < values.length; i++) {
                    values[i] *= source.scales[from + row];
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
