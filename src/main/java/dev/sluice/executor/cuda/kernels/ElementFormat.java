package dev.sluice.executor.cuda.kernels;

import dev.sluice.model.DataType;
import dev.sluice.model.Float8;
import org.jspecify.annotations.Nullable;

/** What the elements of both operands of a matrix product are. */
public enum ElementFormat {
    /** The model's {@link HalfType}. */
    HALF(2, 0, null),
    /** Whole numbers, times the scale of their row. */
    INT8(1, 127, DataType.I8),
    /** FP8, times the scale of their row. */
    FP8(1, Float8.MAX, DataType.F8_E4M3);

    private final int bytes;
    private final float largest;
    private final @Nullable DataType stored;

    ElementFormat(int bytes, float largest, @Nullable DataType stored) {
        this.bytes = bytes;
        this.largest = largest;
        this.stored = stored;
    }

    public int bytes() {
        return bytes;
    }

    /** Each row has a scale. */
    public boolean isScaled() {
        return stored != null;
    }

    /** What the largest magnitude of a row becomes. */
    public float largest() {
        return largest;
    }

    /** The type of files that needs no conversion; null for the one that {@link HalfType} tells. */
    @Nullable
    public DataType stored() {
        return stored;
    }

    /** As the names of kernels have it, and messages. */
    public String label() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }
}
