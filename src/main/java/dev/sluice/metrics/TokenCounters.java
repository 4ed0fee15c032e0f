package dev.sluice.metrics;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.PromptWork;
import java.util.EnumMap;
import java.util.Map;

/**
 * The sums that belong together. Each record moves all of its sums under one lock and a reader takes all of them under
 * the same lock, so that in every scrape the sources add up to the prompt tokens, to the token.
 */
final class TokenCounters {

    /** All sums at one moment. */
    record Totals(
            long promptTokens,
            long computed,
            long localTokens,
            long externalTokens,
            long generated,
            long preemptions,
            Lookups local,
            Lookups external,
            Lookups localResumed,
            Lookups externalResumed,
            long failedLoads,
            long promptWork,
            Map<PromptWork, Long> promptOutcomes,
            Map<FinishReason, Long> finished) {}

    /** Tokens that were looked up at admissions, and what was found of them. */
    record Lookups(long queries, long hits) {

        static final Lookups NONE = new Lookups(0, 0);

        Lookups plus(int moreQueries, int moreHits) {
            return new Lookups(queries + moreQueries, hits + moreHits);
        }
    }

    private final Map<FinishReason, Long> finished = new EnumMap<>(FinishReason.class);
    private long promptTokens;
    private long computed;
    private long localTokens;
    private long externalTokens;
    private long generated;
    private long preemptions;
    private Lookups local = Lookups.NONE;
    private Lookups external = Lookups.NONE;
    private Lookups localResumed = Lookups.NONE;
    private Lookups externalResumed = Lookups.NONE;
    private long failedLoads;
    private final Map<PromptWork, Long> promptOutcomes = new EnumMap<>(PromptWork.class);
    private long promptWork;

    TokenCounters() {
        for (FinishReason reason : FinishReason.values()) {
            finished.put(reason, 0L);
        }
        for (PromptWork outcome : PromptWork.values()) {
            promptOutcomes.put(outcome, 0L);
        }
    }

    synchronized void add(PrefillRecord record) {
        promptTokens += record.promptTokens();
        computed += record.computedTokens();
        localTokens += record.localTokens();
        externalTokens += record.externalTokens();
    }

    synchronized void generated() {
        generated++;
    }

    synchronized void preempted() {
        preemptions++;
    }

    synchronized void finished(FinishReason reason) {
        finished.merge(reason, 1L, Long::sum);
    }

    synchronized void localLookup(int queries, int hits, boolean resumed) {
        if (resumed) {
            localResumed = localResumed.plus(queries, hits);
        } else {
            local = local.plus(queries, hits);
        }
    }

    synchronized void externalLookup(int queries, int hits, boolean resumed) {
        if (resumed) {
            externalResumed = externalResumed.plus(queries, hits);
        } else {
            external = external.plus(queries, hits);
        }
    }

    synchronized void loadFailed() {
        failedLoads++;
    }

    synchronized void promptComputed(int tokens) {
        promptWork += tokens;
    }

    synchronized void promptWork(PromptWork outcome, int tokens) {
        promptOutcomes.merge(outcome, (long) tokens, Long::sum);
    }

    synchronized Totals totals() {
        return new Totals(
                promptTokens,
                computed,
                localTokens,
                externalTokens,
                generated,
                preemptions,
                local,
                external,
                localResumed,
                externalResumed,
                failedLoads,
                promptWork,
                new EnumMap<>(promptOutcomes),
                new EnumMap<>(finished));
    }
}
