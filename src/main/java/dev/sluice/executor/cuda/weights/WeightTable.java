package dev.sluice.executor.cuda.weights;

import dev.sluice.executor.cuda.driver.DeviceSlices;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.products.DeviceMatrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Which tensors lie where in the device's memory, and in which format, whatever format their files have. */
public final class WeightTable {

    /**
     * Tensors of one shape as rows; a vector is one.
     *
     * @param names of more than one: their rows in turn, {@link Epilogue#GROUP} of each
     * @param shape of each in its file
     * @param scales address of a float for each row, if the format has them
     */
    @SuppressWarnings("ArrayRecordComponent") // read once, at the start
    record Part(List<String> names, long[] shape, long address, ElementFormat format, long scales) {

        /** Of all tensors. */
        int rows() {
            return shape.length == 1 ? 1 : names.size() * (int) shape[0];
        }

        int columns() {
            return (int) shape[shape.length - 1];
        }

        /** Of the elements of a row. */
        long rowBytes() {
            return (long) columns() * format.bytes();
        }

        /** Of a row's scale. */
        int scaleBytes() {
            return format.isScaled() ? Float.BYTES : 0;
        }
    }

    private final DeviceSlices slices;
    private final LinearFormats formats;
    private final List<Part> parts = new ArrayList<>();

    /** @param base address of the first byte; 0 to count only */
    public WeightTable(long base, LinearFormats formats) {
        slices = new DeviceSlices(base);
        this.formats = formats;
    }

    /** Places a vector. */
    long vector(String name, int length) {
        return vectors(new String[] {name}, length);
    }

    /** Places vectors one behind the other without a gap. */
    long vectors(String[] names, int... lengths) {
        long bytes = (long) Short.BYTES * Arrays.stream(lengths).sum();
        long first = slices.take(bytes);
        long address = first;
        for (int i = 0; i < names.length; i++) {
            parts.add(new Part(List.of(names[i]), new long[] {lengths[i]}, address, ElementFormat.HALF, 0));
            address += (long) Short.BYTES * lengths[i];
        }
        return first;
    }

    /** Places a matrix in 16 bits. */
    DeviceMatrix half(String name, int rows, int columns) {
        return stack(ElementFormat.HALF, columns, new int[] {rows}, name);
    }

    /** Places the matrices of linear layers of the same width, one below the other without a gap: rows are outputs. */
    DeviceMatrix linear(int columns, int[] rows, String... names) {
        return stack(formats.of(names), columns, rows, names);
    }

    /** Places two matrices of linear layers of one shape in 16 bits, as {@link Epilogue#SILU_MUL} needs them. */
    DeviceMatrix interleaved(int columns, int rows, String first, String second) {
        if (rows % Epilogue.GROUP != 0) {
            throw new IllegalArgumentException(rows + " rows are not whole groups of " + Epilogue.GROUP);
        }
        int all = 2 * rows;
        long address = slices.take((long) all * columns * ElementFormat.HALF.bytes());
        parts.add(new Part(List.of(first, second), new long[] {rows, columns}, address, ElementFormat.HALF, 0));
        return new DeviceMatrix(address, all, columns, ElementFormat.HALF, 0);
    }

    /** The format of linear layers that share a matrix. */
    ElementFormat format(String... names) {
        return formats.of(names);
    }

    private DeviceMatrix stack(ElementFormat format, int columns, int[] rows, String... names) {
        int all = Arrays.stream(rows).sum();
        long address = slices.take((long) all * columns * format.bytes());
        long scales = format.isScaled() ? slices.take((long) all * Float.BYTES) : 0;
        int above = 0;
        for (int i = 0; i < names.length; i++) {
            parts.add(new Part(
                    List.of(names[i]),
                    new long[] {rows[i], columns},
                    address + (long) above * columns * format.bytes(),
                    format,
                    format.isScaled() ? scales + (long) above * Float.BYTES : 0));
            above += rows[i];
        }
        return new DeviceMatrix(address, all, columns, format, scales);
    }

    List<Part> parts() {
        return parts;
    }

    public long bytes() {
        return slices.bytes();
    }
}
