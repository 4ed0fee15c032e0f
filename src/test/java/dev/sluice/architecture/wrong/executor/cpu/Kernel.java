package dev.sluice.architecture.wrong.executor.cpu;

import dev.sluice.architecture.wrong.executor.sim.Simulator;

/** One executor imports another. */
public class Kernel {
    public int use() {
        return new Simulator().hashCode();
    }
}
