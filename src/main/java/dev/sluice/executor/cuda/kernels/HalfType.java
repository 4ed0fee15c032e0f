package dev.sluice.executor.cuda.kernels;

import dev.sluice.model.DataType;

/** The 16-bit format that a model's weights and activations have on the device; sums are 32-bit everywhere. */
public enum HalfType {
    BF16(DataType.BF16),
    FP16(DataType.F16);

    private final DataType stored;

    HalfType(DataType stored) {
        this.stored = stored;
    }

    /** The format of the model's files that needs no conversion. */
    public DataType stored() {
        return stored;
    }

    /** As the names of kernels have it. */
    public String suffix() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    /** Rounds to the nearest, ties to even. */
    public short of(float value) {
        if (this == FP16) {
            return Float.floatToFloat16(value);
        }
        int bits = Float.floatToRawIntBits(value);
        return Float.isNaN(value) ? 0x7fff : (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }
}
