package dev.sluice.metrics;

import dev.sluice.metrics.TokenBooks.Totals;
import dev.sluice.scheduler.PromptWork;
import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Shows the {@link TokenBooks} to Prometheus, all of one moment in each scrape. */
final class TokenBooksCollector implements MultiCollector {

    private final TokenBooks books;
    private final String modelName;

    TokenBooksCollector(TokenBooks books, String modelName) {
        this.books = books;
        this.modelName = modelName;
    }

    @Override
    public MetricSnapshots collect() {
        Totals totals = books.totals();
        List<MetricSnapshot> all = new ArrayList<>();
        all.add(counter(
                MeterNames.PROMPT_TOKENS, "Prompt tokens of requests with a first token", totals.promptTokens()));
        Map<String, Long> sources = new LinkedHashMap<>();
        sources.put("local_compute", totals.computed());
        sources.put("local_cache_hit", totals.localTokens());
        sources.put("external_kv_transfer", totals.externalTokens());
        all.add(counters(MeterNames.PROMPT_TOKENS_BY_SOURCE, "Where those tokens came from", "source", sources));
        all.add(counter(
                MeterNames.PROMPT_TOKENS_CACHED,
                "Those that were not computed",
                totals.localTokens() + totals.externalTokens()));
        all.add(counter(MeterNames.GENERATION_TOKENS, "Generated tokens", totals.generated()));
        all.add(counter(MeterNames.PREEMPTIONS, "Requests that lost their blocks", totals.preemptions()));
        lookups(all, MeterNames.PREFIX, "the prefix cache", totals.local());
        lookups(all, MeterNames.EXTERNAL_PREFIX, "the connector", totals.external());
        lookups(all, MeterNames.RESUMED_PREFIX, "the prefix cache for preempted requests", totals.localResumed());
        lookups(
                all,
                MeterNames.RESUMED_EXTERNAL_PREFIX,
                "the connector for preempted requests",
                totals.externalResumed());
        all.add(counter(MeterNames.FAILED_LOADS, "Loads from the connector that failed", totals.failedLoads()));
        addPromptWork(all, totals);
        Map<String, Long> reasons = new LinkedHashMap<>();
        totals.finished().forEach((reason, count) -> reasons.put(reason.label(), count));
        all.add(counters(MeterNames.REQUEST_SUCCESS, "Ended requests by reason", "finished_reason", reasons));
        return new MetricSnapshots(all);
    }

    private void addPromptWork(List<MetricSnapshot> all, Totals totals) {
        Map<PromptWork, Long> outcomes = totals.promptOutcomes();
        all.add(counter(MeterNames.PROMPT_COMPUTED, "Prompt tokens that steps computed", totals.promptWork()));
        all.add(counter(
                MeterNames.PROMPT_ANSWERED,
                "Of those, computed once for requests that answered",
                outcomes.getOrDefault(PromptWork.ANSWERED, 0L)));
        all.add(counter(
                MeterNames.PROMPT_WASTED,
                "Of those, computed in vain: for requests that never answered, or over blocks that were not there",
                outcomes.getOrDefault(PromptWork.WASTED, 0L)));
        Map<String, Long> reasons = new LinkedHashMap<>();
        reasons.put("failed_load", outcomes.getOrDefault(PromptWork.RECOMPUTED_AFTER_FAILED_LOAD, 0L));
        reasons.put("preemption", outcomes.getOrDefault(PromptWork.RECOMPUTED_AFTER_PREEMPTION, 0L));
        all.add(counters(
                MeterNames.RECOMPUTED, "Of those, computed because they were lost after all", "reason", reasons));
    }

    private void lookups(List<MetricSnapshot> all, String name, String where, TokenBooks.Lookups lookups) {
        all.add(counter(name + "_queries", "Tokens looked up in " + where, lookups.queries()));
        all.add(counter(name + "_hits", "Tokens found in " + where, lookups.hits()));
    }

    private CounterSnapshot counter(String name, String help, long value) {
        return CounterSnapshot.builder()
                .name(name)
                .help(help)
                .dataPoint(CounterSnapshot.CounterDataPointSnapshot.builder()
                        .value((double) value)
                        .labels(Labels.of("model_name", modelName, "engine", "0"))
                        .build())
                .build();
    }

    private CounterSnapshot counters(String name, String help, String label, Map<String, Long> values) {
        CounterSnapshot.Builder builder = CounterSnapshot.builder().name(name).help(help);
        values.forEach((key, value) -> builder.dataPoint(CounterSnapshot.CounterDataPointSnapshot.builder()
                .value((double) value)
                .labels(Labels.of("model_name", modelName, "engine", "0", label, key))
                .build()));
        return builder.build();
    }
}
