package dev.sluice.architecture.wrong.executor.sim;

import dev.sluice.architecture.wrong.scheduler.Sinner;

/** An executor imports the scheduler. */
public class Simulator {
    public int use() {
        return new Sinner().hashCode();
    }
}
