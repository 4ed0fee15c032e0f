package dev.sluice.request;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * One sequence to generate, fully validated by the API. A call with {@code n} choices becomes {@code n} of these.
 *
 * @param id unique among requests in flight
 * @param promptTokenIds at least one id, each in the vocabulary; never written after construction
 * @param priority smaller is sooner; only the priority policy reads it
 * @param cacheSalt separates prefix caches between tenants; null shares
 * @param maxOffloadTokens leading tokens that may be stored beyond the device; {@link Integer#MAX_VALUE} for no limit
 * @param arrivalNanos monotonic time at which the API received the call
 * @param queueDeadlineNanos monotonic time by which the first token must have been scheduled; {@link #NO_DEADLINE}
 *     for none. Compared with the clock by difference
 * @param deadlineNanos monotonic time by which the request must have ended; {@link #NO_DEADLINE} for none
 */
@SuppressWarnings("ArrayRecordComponent") // the executor reads the prompt every step; a copy per read would cost
public record GenerationRequest(
        String id,
        int[] promptTokenIds,
        SamplingParams sampling,
        int priority,
        @Nullable String cacheSalt,
        int maxOffloadTokens,
        long arrivalNanos,
        long queueDeadlineNanos,
        long deadlineNanos) {

    /** Stands for a deadline that never comes. */
    public static final long NO_DEADLINE = Long.MAX_VALUE;

    private static final Duration LONGEST = Duration.ofNanos(Long.MAX_VALUE / 2); // a difference that cannot overflow

    /** The deadline so much later than a moment of the monotonic clock; {@link #NO_DEADLINE} after more than a century. */
    public static long deadline(long nowNanos, Duration timeout) {
        if (timeout.compareTo(LONGEST) > 0) {
            return NO_DEADLINE;
        }
        long deadline = nowNanos + timeout.toNanos(); // may pass the largest number, as the clock does
        return deadline == NO_DEADLINE ? deadline - 1 : deadline;
    }
}
