package dev.sluice.executor.sim;

/** Which steps, sequences and copies the simulator lets fail. */
public interface FaultPlan {

    /** Nothing fails. */
    FaultPlan NONE = new FaultPlan() {};

    /** True if the whole step is to be lost. */
    default boolean failsStep(long step) {
        return false;
    }

    /** True if the step is not even to start. */
    default boolean refusesStep(long step) {
        return false;
    }

    /** True if this one sequence of the step is to fail. */
    default boolean failsSequence(long step, long sequence) {
        return false;
    }

    /** How many polls a copy job takes beyond the first; it ends at once if a step awaits it. */
    default int copyDelay(long job) {
        return 0;
    }

    /** True if this one block of the job is not copied. */
    default boolean failsCopy(long job, int index) {
        return false;
    }

    /** True if the page is damaged after it was stored. */
    default boolean damagesPage(long job, int index) {
        return false;
    }
}
