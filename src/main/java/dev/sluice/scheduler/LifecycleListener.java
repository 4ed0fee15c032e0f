package dev.sluice.scheduler;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;

/**
 * Hears what happens to requests. Called on the scheduler's thread, in order; must be quick, must not block. Whatever it
 * throws is caught and counted by the scheduler and reaches nobody.
 */
public interface LifecycleListener {

    /** The scheduler took the request in. */
    default void onQueued(RequestTimeline request) {}

    /** The request was scheduled for the first time. */
    default void onScheduled(RequestTimeline request) {}

    /** The request lost its blocks and waits again. */
    default void onPreempted(RequestTimeline request) {}

    /** The first output is there: comes once per request, before its {@link #onToken}. */
    default void onPrefilled(RequestTimeline request, PrefillRecord record) {}

    /**
     * A token went out.
     *
     * @param previousNanos time of the token before, or {@link RequestTimeline#NEVER} for the first one of an answer
     */
    default void onToken(RequestTimeline request, long previousNanos) {}

    /** The request ended; comes exactly once for each {@link #onQueued}. */
    default void onFinished(RequestTimeline request, FinishReason reason) {}

    /**
     * A request was admitted after a lookup in the local prefix cache; comes once per request, however often a load of its
     * fails, and once more after each preemption.
     *
     * @param resumed true if it had been preempted before; such lookups are not part of the exported hit rate
     */
    default void onLocalLookup(int queriedTokens, int hitTokens, boolean resumed) {}

    /** As {@link #onLocalLookup} for the connector; {@code queriedTokens} are those not found locally, at least 1. */
    default void onExternalLookup(int queriedTokens, int hitTokens, boolean resumed) {}

    /** A load from the connector failed for the request that began it, in whole or in part; comes once per load. */
    default void onLoadFailed(RequestTimeline request) {}

    /** What became of prompt tokens that were computed, and of which nothing was told yet. */
    default void onPromptWork(RequestTimeline request, PromptWork outcome, int tokens) {}

    /**
     * A step was executed and applied. What it computed for sequences that had ended meanwhile does not count.
     *
     * @param promptTokens positions computed that belong to prompts
     * @param outputTokens tokens sampled
     * @param nanos from planning, or from the end of the step before if that was later, to the result applied
     */
    default void onStep(int sequences, int promptTokens, int outputTokens, long nanos) {}
}
