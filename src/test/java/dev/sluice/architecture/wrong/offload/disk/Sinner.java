package dev.sluice.architecture.wrong.offload.disk;

import dev.sluice.architecture.wrong.offload.host.Sinner2;

/** Imports another tier. */
public class Sinner {
    public int use() {
        return new Sinner2().hashCode();
    }
}
