package dev.sluice.scheduler;

import dev.sluice.request.GenerationRequest;
import dev.sluice.request.PrefillRecord;
import org.jspecify.annotations.Nullable;

/**
 * What a listener may know of a request: its counts and its moments. Written by the scheduler's thread, and read on it,
 * inside listener calls only. Times are monotonic nanoseconds, {@link #NEVER} until they happen.
 */
public final class RequestTimeline {

    /** Stands for a moment that has not come. */
    public static final long NEVER = Long.MIN_VALUE;

    private final GenerationRequest request;
    long queuedNanos = NEVER;
    long scheduledNanos = NEVER;
    long firstTokenNanos = NEVER;
    long lastTokenNanos = NEVER;
    int outputTokens;
    int preemptions;

    @Nullable
    PrefillRecord prefill;

    RequestTimeline(GenerationRequest request) {
        this.request = request;
    }

    public GenerationRequest request() {
        return request;
    }

    /** When the scheduler took the request in. */
    public long queuedNanos() {
        return queuedNanos;
    }

    /** When it was scheduled for the first time; resuming does not change it. */
    public long scheduledNanos() {
        return scheduledNanos;
    }

    public long firstTokenNanos() {
        return firstTokenNanos;
    }

    public long lastTokenNanos() {
        return lastTokenNanos;
    }

    public int outputTokens() {
        return outputTokens;
    }

    public int preemptions() {
        return preemptions;
    }

    /** The record taken with the first output; null before. */
    public @Nullable PrefillRecord prefill() {
        return prefill;
    }
}
