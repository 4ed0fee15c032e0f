package dev.sluice.executor;

/** A failure below the scheduler; the scope says what has to be given up. */
public final class ExecutorException extends RuntimeException {

    private static final long serialVersionUID = 1;

    /** How far a failure reaches. */
    public enum Scope {
        /** This step's work is lost; the next step may succeed. */
        STEP,
        /** The device is gone; the process must end. */
        DEVICE
    }

    private final Scope scope;

    public ExecutorException(Scope scope, String message) {
        super(message);
        this.scope = scope;
    }

    public ExecutorException(Scope scope, String message, Throwable cause) {
        super(message, cause);
        this.scope = scope;
    }

    public Scope scope() {
        return scope;
    }
}
