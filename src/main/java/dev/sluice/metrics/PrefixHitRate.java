package dev.sluice.metrics;

import java.util.ArrayDeque;

/** The cache hit rate over the most recent requests: old entries leave when more than a window of requests is known. */
final class PrefixHitRate {

    private record Entry(int requests, long queries, long hits) {}

    private final int window;
    private final ArrayDeque<Entry> entries = new ArrayDeque<>();
    private long requests;
    private long queries;
    private long hits;

    PrefixHitRate(int window) {
        this.window = window;
    }

    synchronized void observe(int newRequests, long newQueries, long newHits) {
        if (newRequests == 0) {
            return;
        }
        entries.add(new Entry(newRequests, newQueries, newHits));
        requests += newRequests;
        queries += newQueries;
        hits += newHits;
        while (requests > window && entries.size() > 1) {
            Entry oldest = entries.remove();
            requests -= oldest.requests();
            queries -= oldest.queries();
            hits -= oldest.hits();
        }
    }

    synchronized double rate() {
        return queries == 0 ? 0 : (double) hits / queries;
    }
}
