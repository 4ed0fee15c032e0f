package dev.sluice.metrics;

import dev.sluice.metrics.SluiceMeter.Kind;
import dev.sluice.metrics.TokenCounters.Totals;
import dev.sluice.request.FinishReason;
import dev.sluice.scheduler.PromptWork;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.CounterSnapshot.CounterDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/**
 * One counter out of the {@link TokenCounters}, with the labels that tell it from its siblings. Prometheus is shown all of
 * them as of one moment, so that in every scrape sums that belong together agree; other registries read one by one.
 */
record TokenSeries(SluiceMeter meter, List<String> labels, ToLongFunction<Totals> value) {

    private static final List<TokenSeries> ALL = all();

    private static List<TokenSeries> all() {
        List<TokenSeries> all = new ArrayList<>(List.of(
                of(SluiceMeter.PROMPT_TOKENS, Totals::promptTokens),
                of(SluiceMeter.PROMPT_TOKENS_BY_SOURCE, Totals::computed, "source", "local_compute"),
                of(SluiceMeter.PROMPT_TOKENS_BY_SOURCE, Totals::localTokens, "source", "local_cache_hit"),
                of(SluiceMeter.PROMPT_TOKENS_BY_SOURCE, Totals::externalTokens, "source", "external_kv_transfer"),
                of(SluiceMeter.PROMPT_TOKENS_CACHED, totals -> totals.localTokens() + totals.externalTokens()),
                of(SluiceMeter.GENERATION_TOKENS, Totals::generated),
                of(SluiceMeter.PREEMPTIONS, Totals::preemptions),
                of(SluiceMeter.PREFIX_QUERIES, totals -> totals.local().queries()),
                of(SluiceMeter.PREFIX_HITS, totals -> totals.local().hits()),
                of(
                        SluiceMeter.EXTERNAL_PREFIX_QUERIES,
                        totals -> totals.external().queries()),
                of(SluiceMeter.EXTERNAL_PREFIX_HITS, totals -> totals.external().hits()),
                of(
                        SluiceMeter.RESUMED_PREFIX_QUERIES,
                        totals -> totals.localResumed().queries()),
                of(
                        SluiceMeter.RESUMED_PREFIX_HITS,
                        totals -> totals.localResumed().hits()),
                of(
                        SluiceMeter.RESUMED_EXTERNAL_PREFIX_QUERIES,
                        totals -> totals.externalResumed().queries()),
                of(
                        SluiceMeter.RESUMED_EXTERNAL_PREFIX_HITS,
                        totals -> totals.externalResumed().hits()),
                of(SluiceMeter.FAILED_LOADS, Totals::failedLoads),
                of(SluiceMeter.PROMPT_COMPUTED, Totals::promptWork),
                of(SluiceMeter.PROMPT_ANSWERED, outcome(PromptWork.ANSWERED)),
                of(SluiceMeter.PROMPT_WASTED, outcome(PromptWork.WASTED)),
                of(SluiceMeter.RECOMPUTED, outcome(PromptWork.RECOMPUTED_AFTER_FAILED_LOAD), "reason", "failed_load"),
                of(SluiceMeter.RECOMPUTED, outcome(PromptWork.RECOMPUTED_AFTER_PREEMPTION), "reason", "preemption")));
        for (FinishReason reason : FinishReason.values()) {
            all.add(of(
                    SluiceMeter.REQUEST_SUCCESS,
                    totals -> totals.finished().getOrDefault(reason, 0L),
                    "finished_reason",
                    reason.label()));
        }
        return List.copyOf(all);
    }

    private static TokenSeries of(SluiceMeter meter, ToLongFunction<Totals> value, String... labels) {
        return new TokenSeries(meter, List.of(labels), value);
    }

    private static ToLongFunction<Totals> outcome(PromptWork outcome) {
        return totals -> totals.promptOutcomes().getOrDefault(outcome, 0L);
    }

    /** Shows the counters to a registry, and to every one in it if it is composed of others. */
    static void register(TokenCounters counters, MeterRegistry registry, String modelName) {
        if (registry instanceof CompositeMeterRegistry composite) {
            composite.getRegistries().forEach(part -> register(counters, part, modelName));
            return;
        }
        Meters meters = Meters.ofEngine(registry, modelName);
        if (registry instanceof PrometheusMeterRegistry prometheus) {
            MultiCollector collector = () -> snapshots(counters.totals(), meters);
            prometheus.getPrometheusRegistry().register(collector);
            return;
        }
        for (TokenSeries series : ALL) {
            meters.counter(
                    series.meter,
                    counters,
                    source -> series.value.applyAsLong(source.totals()),
                    series.labels.toArray(String[]::new));
        }
    }

    private static MetricSnapshots snapshots(Totals totals, Meters meters) {
        Map<SluiceMeter, CounterSnapshot.Builder> builders = new EnumMap<>(SluiceMeter.class);
        for (TokenSeries series : ALL) {
            List<Tag> tags = meters.tags(series.meter, Kind.COUNTER, series.labels.toArray(String[]::new)).stream()
                    .toList();
            builders.computeIfAbsent(
                            series.meter,
                            meter -> CounterSnapshot.builder().name(meter.id()).help(meter.help()))
                    .dataPoint(CounterDataPointSnapshot.builder()
                            .value((double) series.value.applyAsLong(totals))
                            .labels(Labels.of(
                                    tags.stream().map(Tag::getKey).toList(),
                                    tags.stream().map(Tag::getValue).toList()))
                            .build());
        }
        List<MetricSnapshot> all = new ArrayList<>();
        builders.values().forEach(builder -> all.add(builder.build()));
        return new MetricSnapshots(all);
    }
}
