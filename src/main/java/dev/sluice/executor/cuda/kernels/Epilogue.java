package dev.sluice.executor.cuda.kernels;

/** What a kernel for matrix products makes of its sums, in registers, before it stores them. */
public enum Epilogue {
    /** Rounded to the model's {@link HalfType}. */
    HALF("", Short.BYTES),
    /** As they are: logits. */
    FLOAT("_f32", Float.BYTES),
    /**
     * The gate of the feed-forward network, silu(gate) * up of sums rounded to 16 bits: half as many results. The rows of the
     * weights are gates and ups in turn, {@link #GROUP} of each.
     */
    SILU_MUL("_silu_mul", Short.BYTES);

    /** Neighbouring rows of weights that are all gates, or all ups. */
    public static final int GROUP = 8;

    private final String suffix;
    private final int bytes;

    Epilogue(String suffix, int bytes) {
        this.suffix = suffix;
        this.bytes = bytes;
    }

    /** In the kernel's name. */
    String suffix() {
        return suffix;
    }

    /** Of a row of results, of weights with so many rows. */
    public long rowBytes(int n) {
        return (long) n * bytes / (this == SILU_MUL ? 2 : 1);
    }
}
