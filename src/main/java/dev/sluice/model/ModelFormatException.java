package dev.sluice.model;

/** A model that cannot be served as it is; the message is one sentence for the operator. */
public final class ModelFormatException extends RuntimeException {

    private static final long serialVersionUID = 1;

    public ModelFormatException(String message) {
        super(message);
    }

    public ModelFormatException(String message, Throwable cause) {
        super(message, cause);
    }
}
