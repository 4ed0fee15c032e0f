package dev.sluice.offload;

/** Hears how transfers between the tiers end. Called on the scheduler's thread; must be quick. */
public interface OffloadListener {

    /** Hears nothing. */
    OffloadListener NONE = new OffloadListener() {};

    /** Bytes went into a tier. */
    default void onStored(String tier, long bytes, long nanos) {}

    /** Bytes came back from a tier. */
    default void onLoaded(String tier, long bytes, long nanos) {}

    /** A transfer to or from a tier failed in whole or in part, or was given up; once for each. */
    default void onFailed(String tier, boolean load) {}
}
