package dev.sluice.architecture.wrong.executor.cuda;

import dev.sluice.architecture.wrong.scheduler.Sinner;

/** An executor imports the scheduler. */
public class Assembly {
    public int use() {
        return new Sinner().hashCode();
    }
}
