package dev.sluice.executor.cuda;

import java.util.ArrayList;
import java.util.List;

/** Which tensors lie where in the device's memory; all in one 16-bit format, whatever format their files have. */
final class WeightTable {

    /** A tensor of so many numbers, at its address. */
    @SuppressWarnings("ArrayRecordComponent") // read once, at the start
    record Part(String name, long[] shape, long address) {

        long elements() {
            long count = 1;
            for (long dimension : shape) {
                count *= dimension;
            }
            return count;
        }
    }

    private final DeviceSlices slices;
    private final List<Part> parts = new ArrayList<>();

    /** @param base address of the first byte; 0 to count only */
    WeightTable(long base) {
        slices = new DeviceSlices(base);
    }

    /** Places a vector. */
    long vector(String name, long length) {
        return stack(new String[] {name}, new long[][] {{length}});
    }

    /** Places matrices of the same width, one below the other without a gap: rows are outputs. */
    long matrices(long columns, long[] rows, String... names) {
        long[][] shapes = new long[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            shapes[i] = new long[] {rows[i], columns};
        }
        return stack(names, shapes);
    }

    /** Places tensors one behind the other without a gap. */
    long stack(String[] names, long[][] shapes) {
        long bytes = 0;
        List<Part> placed = new ArrayList<>();
        for (int i = 0; i < names.length; i++) {
            Part part = new Part(names[i], shapes[i], bytes);
            placed.add(part);
            bytes += part.elements() * Short.BYTES;
        }
        long address = slices.take(bytes);
        placed.forEach(part -> parts.add(new Part(part.name, part.shape, address + part.address)));
        return address;
    }

    List<Part> parts() {
        return parts;
    }

    long bytes() {
        return slices.bytes();
    }
}
