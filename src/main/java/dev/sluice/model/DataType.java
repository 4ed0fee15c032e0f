package dev.sluice.model;

/** Element types of stored tensors. */
public enum DataType {
    F32(4),
    F16(2),
    BF16(2),
    I8(1),
    /** {@link Float8}. */
    F8_E4M3(1);

    private final int bytes;

    DataType(int bytes) {
        this.bytes = bytes;
    }

    public int bytes() {
        return bytes;
    }

    /** Numbers that mean nothing without the scale of their row, which is a tensor of its own. */
    public boolean isScaled() {
        return bytes == 1;
    }
}
