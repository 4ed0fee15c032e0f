package dev.sluice.offload;

/**
 * Stands before a tier: says whether it may be used at all, and hears how it does. The circuit breaker behind it is the
 * business of whoever wires the tiers; without one, everything is permitted.
 */
public interface TierGuard {

    /** Permits everything, for ever. */
    TierGuard NONE = new TierGuard() {};

    /** True if the tier may be used now; never waits. */
    default boolean permits() {
        return true;
    }

    /** A transfer ended well after so much time. */
    default void succeeded(long nanos) {}

    /** A transfer failed, or was given up, after so much time. */
    default void failed(long nanos) {}

    /** After this, a transfer is given up; {@link Long#MAX_VALUE} for never. */
    default long timeLimitNanos() {
        return Long.MAX_VALUE;
    }
}
