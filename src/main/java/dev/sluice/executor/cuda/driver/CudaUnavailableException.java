package dev.sluice.executor.cuda.driver;

import org.jspecify.annotations.Nullable;

/** There is no usable GPU here; the message is one sentence for the operator. */
public final class CudaUnavailableException extends RuntimeException {

    private static final long serialVersionUID = 1;

    public CudaUnavailableException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
