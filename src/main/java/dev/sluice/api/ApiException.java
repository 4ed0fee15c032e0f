package dev.sluice.api;

/** Carries an {@link ApiError} to the one place that writes errors. */
public final class ApiException extends RuntimeException {

    private static final long serialVersionUID = 1;

    private final transient ApiError error;

    public ApiException(ApiError error) {
        super(error.message(), null, false, false); // an answer, not a failure: no stack trace
        this.error = error;
    }

    public ApiError error() {
        return error;
    }
}
