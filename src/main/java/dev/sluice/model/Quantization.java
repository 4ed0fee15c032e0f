package dev.sluice.model;

import org.jspecify.annotations.Nullable;

/** How a checkpoint has its linear layers: each output row in 8 bits with a scale, or none of them. */
public enum Quantization {
    /** Any floating-point type. */
    NONE(null, false),
    /** int8 weights, for inputs as they are. */
    INT8(DataType.I8, false),
    /** int8 weights, for inputs that are rounded to int8 too, each token with a scale of its own. */
    INT8_DYNAMIC(DataType.I8, true),
    /** FP8 weights, for inputs as they are. */
    FP8(DataType.F8_E4M3, false),
    /** FP8 weights, for inputs that are rounded to FP8 too, each token with a scale of its own. */
    FP8_DYNAMIC(DataType.F8_E4M3, true);

    private final @Nullable DataType weights;
    private final boolean dynamicInputs;

    Quantization(@Nullable DataType weights, boolean dynamicInputs) {
        this.weights = weights;
        this.dynamicInputs = dynamicInputs;
    }

    /** The type of quantized weights; null if there are none. Some layers may have been left as they were. */
    public @Nullable DataType weights() {
        return weights;
    }

    /** The checkpoint was made for inputs that are rounded to the type of the weights. */
    public boolean hasDynamicInputs() {
        return dynamicInputs;
    }
}
