package dev.sluice.architecture.wrong.engine;

import dev.sluice.architecture.wrong.config.Wiring;

/** Imports what this room may not. */
public class Sinner {
    public int use() {
        return new Wiring().hashCode();
    }
}
