package dev.sluice.executor.cuda.weights;

/** In which format linear layers are computed; weights that have another one are converted. */
public enum QuantizationChoice {
    /** What the checkpoint was made for. */
    AUTO,
    /** 16 bits. */
    NONE,
    INT8,
    FP8
}
