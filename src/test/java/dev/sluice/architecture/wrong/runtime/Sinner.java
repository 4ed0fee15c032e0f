package dev.sluice.architecture.wrong.runtime;

import dev.sluice.architecture.wrong.request.Other;

/** The room that everybody imports imports another. */
public class Sinner {
    public int use() {
        return new Other().hashCode();
    }
}
