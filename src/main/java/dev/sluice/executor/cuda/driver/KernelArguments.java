package dev.sluice.executor.cuda.driver;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The arguments of a launch, in the kernel's order; written again for each launch, so that launching allocates nothing. */
public final class KernelArguments {

    private static final int ARGUMENTS_MAX = 32;
    private static final long SLOT_BYTES = TensorMap.BYTES; // the largest that a kernel takes

    private final MemorySegment values;
    private final MemorySegment pointers;
    private int count;

    /** @param arena owns the memory, some thousand bytes */
    public KernelArguments(Arena arena) {
        values = arena.allocate(ARGUMENTS_MAX * SLOT_BYTES, TensorMap.ALIGNMENT);
        pointers = arena.allocate(ADDRESS, ARGUMENTS_MAX);
        for (int i = 0; i < ARGUMENTS_MAX; i++) {
            pointers.setAtIndex(ADDRESS, i, values.asSlice(i * SLOT_BYTES, SLOT_BYTES));
        }
    }

    /** Forgets all. */
    public KernelArguments begin() {
        count = 0;
        return this;
    }

    public KernelArguments add(DeviceBuffer buffer) {
        return add(buffer.address());
    }

    /** A device address, or a 64-bit number. */
    public KernelArguments add(long value) {
        values.set(JAVA_LONG, count++ * SLOT_BYTES, value);
        return this;
    }

    public KernelArguments add(int value) {
        values.set(JAVA_INT, count++ * SLOT_BYTES, value);
        return this;
    }

    public KernelArguments add(float value) {
        values.set(JAVA_FLOAT, count++ * SLOT_BYTES, value);
        return this;
    }

    /** A {@link TensorMap}. */
    public KernelArguments add(MemorySegment map) {
        MemorySegment.copy(map, 0, values, count++ * SLOT_BYTES, TensorMap.BYTES);
        return this;
    }

    int count() {
        return count;
    }

    /** What the driver takes: an array of pointers to the values. */
    MemorySegment pointers() {
        return pointers;
    }
}
