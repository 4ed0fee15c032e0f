package dev.sluice.offload;

/**
 * Stands before a tier: says whether it may be used at all, and hears how it does. The circuit breaker behind it is the
 * business of whoever wires the tiers; without one, everything is permitted.
 */
public interface TierGuard {

    /** Permits everything, for ever. */
    TierGuard NONE = new TierGuard() {
        @Override
        public boolean permits() {
            return true;
        }

        @Override
        public void succeeded(long nanos) {}

        @Override
        public void failed(long nanos) {}

        @Override
        public long timeLimitNanos() {
            return Long.MAX_VALUE;
        }
    };

    /** True if the tier may be used now; never waits. */
    boolean permits();

    /** An operation ended well after so much time. */
    void succeeded(long nanos);

    /** An operation failed, or was given up, after so much time. */
    void failed(long nanos);

    /** After this, an operation is given up; {@link Long#MAX_VALUE} for never. */
    long timeLimitNanos();
}
