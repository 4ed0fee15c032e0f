package dev.sluice.metrics;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import java.util.EnumMap;
import java.util.Map;

/**
 * The sums that belong together. Each record moves all of its sums under one lock and a reader takes all of them under
 * the same lock, so that in every scrape the sources add up to the prompt tokens, to the token.
 */
final class TokenBooks {

    /** All sums at one moment. */
    record Totals(
            long promptTokens,
            long computed,
            long local,
            long external,
            long generated,
            long preemptions,
            long localQueries,
            long localHits,
            long externalQueries,
            long externalHits,
            long failedLoads,
            long recomputed,
            Map<FinishReason, Long> finished) {}

    private final Map<FinishReason, Long> finished = new EnumMap<>(FinishReason.class);
    private long promptTokens;
    private long computed;
    private long local;
    private long external;
    private long generated;
    private long preemptions;
    private long localQueries;
    private long localHits;
    private long externalQueries;
    private long externalHits;
    private long failedLoads;
    private long recomputed;

    TokenBooks() {
        for (FinishReason reason : FinishReason.values()) {
            finished.put(reason, 0L);
        }
    }

    synchronized void add(PrefillRecord record) {
        promptTokens += record.promptTokens();
        computed += record.computedTokens();
        local += record.localTokens();
        external += record.externalTokens();
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

    synchronized void localLookup(int queries, int hits) {
        localQueries += queries;
        localHits += hits;
    }

    synchronized void externalLookup(int queries, int hits) {
        externalQueries += queries;
        externalHits += hits;
    }

    synchronized void loadFailed(int lostTokens) {
        failedLoads++;
        recomputed += lostTokens;
    }

    synchronized Totals totals() {
        return new Totals(
                promptTokens,
                computed,
                local,
                external,
                generated,
                preemptions,
                localQueries,
                localHits,
                externalQueries,
                externalHits,
                failedLoads,
                recomputed,
                new EnumMap<>(finished));
    }
}
