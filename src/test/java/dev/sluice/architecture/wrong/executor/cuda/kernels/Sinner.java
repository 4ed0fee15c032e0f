package dev.sluice.architecture.wrong.executor.cuda.kernels;

import dev.sluice.architecture.wrong.executor.cuda.Assembly;

/** Imports what puts the rooms together. */
public class Sinner {
    public int use() {
        return new Assembly().hashCode();
    }
}
