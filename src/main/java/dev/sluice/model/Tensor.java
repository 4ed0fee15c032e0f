package dev.sluice.model;

import java.lang.foreign.MemorySegment;

/**
 * A stored tensor: little-endian, row-major, read-only bytes, usually a slice of a memory-mapped file.
 *
 * <p>A file may place them at any address: read through unaligned layouts.
 *
 * @param shape outermost dimension first; a linear layer's weight is {@code [out, in]}
 */
@SuppressWarnings("ArrayRecordComponent") // descriptors, read at load time only
public record Tensor(String name, DataType type, long[] shape, MemorySegment data) {

    /** Product of the dimensions. */
    public long elementCount() {
        long count = 1;
        for (long dimension : shape) {
            count = Math.multiplyExact(count, dimension);
        }
        return count;
    }
}
