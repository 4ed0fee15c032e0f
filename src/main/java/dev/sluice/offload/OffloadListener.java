package dev.sluice.offload;

/** Hears how copies between the tiers end. Called on the scheduler's thread; must be quick. */
public interface OffloadListener {

    /** Hears nothing. */
    OffloadListener NONE = new OffloadListener() {};

    /** Bytes went into a tier. */
    default void onStored(Tier tier, long bytes, long nanos) {}

    /** Bytes came back from a tier. */
    default void onLoaded(Tier tier, long bytes, long nanos) {}

    /** A copy to or from a tier failed in whole or in part, or was given up. */
    default void onFailed(Tier tier, boolean load) {}
}
