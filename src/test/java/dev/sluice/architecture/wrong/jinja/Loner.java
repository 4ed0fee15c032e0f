package dev.sluice.architecture.wrong.jinja;

import dev.sluice.architecture.wrong.runtime.Sinner;

/** Imports what every other room may. */
public class Loner {
    public int use() {
        return new Sinner().hashCode();
    }
}
