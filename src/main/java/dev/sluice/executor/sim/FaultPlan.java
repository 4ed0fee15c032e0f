package dev.sluice.executor.sim;

/** Which steps and which sequences the simulator lets fail. */
public interface FaultPlan {

    /** Nothing fails. */
    FaultPlan NONE = new FaultPlan() {};

    /** True if the whole step is to be lost. */
    default boolean failsStep(long step) {
        return false;
    }

    /** True if this one sequence of the step is to fail. */
    default boolean failsSequence(long step, long sequence) {
        return false;
    }
}
