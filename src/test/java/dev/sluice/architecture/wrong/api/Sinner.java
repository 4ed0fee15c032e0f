package dev.sluice.architecture.wrong.api;

import dev.sluice.architecture.wrong.kv.Sinner2;

/** Imports a room behind the scheduler; and forms a cycle with kv. */
public class Sinner {
    public int use() {
        return new Sinner2().hashCode();
    }
}
