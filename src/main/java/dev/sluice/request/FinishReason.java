package dev.sluice.request;

/** Why a request ended; the values that metrics and, in part, the API show. */
public enum FinishReason {
    /** End-of-sequence token, stop token or stop string. */
    STOP("stop"),
    /** Output limit or context length reached. */
    LENGTH("length"),
    /** Cancelled: client gone, deadline passed, server draining. */
    ABORT("abort"),
    /** Ended by a failure. */
    ERROR("error");

    private final String label;

    FinishReason(String label) {
        this.label = label;
    }

    /** Lower-case name for metrics and JSON. */
    public String label() {
        return label;
    }
}
