package dev.sluice.architecture.wrong.executor;

import dev.sluice.architecture.wrong.executor.cpu.Kernel;

/** The port knows one of its implementations. */
public class Sinner {
    public int use() {
        return new Kernel().hashCode();
    }
}
