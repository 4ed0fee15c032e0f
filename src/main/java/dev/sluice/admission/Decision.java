package dev.sluice.admission;

import java.time.Duration;

/** The doorkeeper's answer. */
public sealed interface Decision {

    /** Room granted; {@link #close} gives it back, further closes do nothing. Safe for any thread. */
    non-sealed interface Permit extends Decision, AutoCloseable {

        /** The first token is out: the prompt no longer counts as waiting. */
        void prefilled();

        @Override
        void close();
    }

    /** No room; {@code retryAfter} is estimated from the recent drain rate, between 1 and 60 seconds. */
    record Rejected(Reason reason, Duration retryAfter) implements Decision {}

    /** Why there is no room. */
    enum Reason {
        QUEUE_FULL,
        TOO_MANY_TOKENS,
        DRAINING
    }
}
