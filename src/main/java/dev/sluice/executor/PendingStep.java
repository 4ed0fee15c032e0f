package dev.sluice.executor;

/** A step that has been started. */
public interface PendingStep {

    /** True once {@link #join} would return at once. */
    boolean isDone();

    /**
     * Waits for the result. It belongs to the executor and is valid until the second step after this one is submitted.
     *
     * @throws ExecutorException if the whole step failed; failures of single sequences are in the result instead
     */
    StepResult join();

    /** A step whose result is already there. */
    static PendingStep done(StepResult result) {
        return new PendingStep() {
            @Override
            public boolean isDone() {
                return true;
            }

            @Override
            public StepResult join() {
                return result;
            }
        };
    }
}
