package dev.sluice.model;

/** Element types of stored tensors. */
public enum DataType {
    F32(4),
    F16(2),
    BF16(2),
    I8(1);

    private final int bytes;

    DataType(int bytes) {
        this.bytes = bytes;
    }

    public int bytes() {
        return bytes;
    }
}
