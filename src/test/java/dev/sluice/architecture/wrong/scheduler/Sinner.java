package dev.sluice.architecture.wrong.scheduler;

import dev.sluice.architecture.wrong.config.Wiring;

/** Imports what this room may not, and writes what belongs to another. */
public class Sinner {
    public int use() {
        return new Wiring().hashCode();
    }

    void write(Sequence sequence) {
        sequence.computed = 1;
    }
}
