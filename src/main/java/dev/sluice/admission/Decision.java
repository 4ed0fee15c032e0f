package dev.sluice.admission;

import java.time.Duration;

/** The admission's answer. */
public sealed interface Decision {

    /** Room granted; {@link #close} gives it back, further closes do nothing. Safe for any thread. */
    non-sealed interface Permit extends Decision, AutoCloseable {

        /** The first token is out: the prompt no longer counts as waiting. */
        void prefilled();

        /** Takes more memory for the answer, which {@link #close} gives back too; false, and nothing, if it is not free. */
        boolean takeMemory(long bytes);

        /** The same for what can be done without: only as long as half of all the memory is free. */
        boolean takeSpareMemory(long bytes);

        @Override
        void close();
    }

    /** No room; {@code retryAfter} is estimated from the recent drain rate, between 1 and 60 seconds. */
    record Rejected(Reason reason, Duration retryAfter) implements Decision {}

    /** Why there is no room. */
    enum Reason {
        QUEUE_FULL,
        TOO_MANY_TOKENS,
        ANSWERS_TOO_LARGE,
        DRAINING
    }
}
