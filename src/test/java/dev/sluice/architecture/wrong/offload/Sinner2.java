package dev.sluice.architecture.wrong.offload;

/** A port that imports a tier. */
public class Sinner2 {
    public int use() {
        return new dev.sluice.architecture.wrong.offload.host.Sinner2().hashCode();
    }
}
