package dev.sluice.executor;

/** A step that has been started. */
@FunctionalInterface
public interface PendingStep {

    /**
     * Waits for the result, which must name the step and the sequences of its plan: one that does not counts as a failure
     * of the whole step. It belongs to the executor and is valid until the next step is submitted, or the one after that
     * if the executor {@link ModelExecutor#runsBesideItsCaller runs beside its caller}.
     *
     * @throws ExecutorException if the whole step failed; failures of single sequences are in the result instead
     */
    StepResult join();

    /** A step whose result is already there. */
    static PendingStep done(StepResult result) {
        return () -> result;
    }
}
