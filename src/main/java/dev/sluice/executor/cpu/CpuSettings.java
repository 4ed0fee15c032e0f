package dev.sluice.executor.cpu;

/**
 * How the CPU executor uses the machine.
 *
 * @param threads workers that compute together, the scheduler's own thread included
 */
public record CpuSettings(int threads) {

    /** @throws IllegalArgumentException if there is no worker, or more than a machine has a use for */
    public CpuSettings {
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException("threads must be between 1 and 1024, was " + threads);
        }
    }
}
