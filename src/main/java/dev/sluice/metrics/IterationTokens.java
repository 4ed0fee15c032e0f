package dev.sluice.metrics;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.prometheus.metrics.model.registry.Collector;
import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/** The histogram of tokens per step; its name ends in {@code _total}, which Micrometer would take away. */
final class IterationTokens implements Collector {

    private final double[] bounds;
    private final long[] counts;
    private final Labels labels;
    private double sum;

    /** @return takes the tokens of each step */
    static IntConsumer register(MeterRegistry registry, String modelName) {
        if (registry instanceof CompositeMeterRegistry composite) {
            List<IntConsumer> parts = composite.getRegistries().stream()
                    .map(part -> register(part, modelName))
                    .toList();
            return tokens -> parts.forEach(part -> part.accept(tokens));
        }
        if (registry instanceof PrometheusMeterRegistry prometheus) {
            IterationTokens histogram = new IterationTokens(modelName);
            prometheus.getPrometheusRegistry().register(histogram);
            return histogram::observe;
        }
        return Meters.ofEngine(registry, modelName).histogram(SluiceMeter.ITERATION_TOKENS, Buckets.ITERATION)::record;
    }

    private IterationTokens(String modelName) {
        bounds = Arrays.copyOf(Buckets.ITERATION, Buckets.ITERATION.length + 1);
        bounds[bounds.length - 1] = Double.POSITIVE_INFINITY;
        counts = new long[bounds.length];
        labels = Labels.of("model_name", modelName, "engine", "0");
    }

    private synchronized void observe(int tokens) {
        int bucket = 0;
        while (tokens > bounds[bucket]) {
            bucket++;
        }
        counts[bucket]++;
        sum += tokens;
    }

    @Override
    public synchronized MetricSnapshot collect() {
        return HistogramSnapshot.builder()
                .name(SluiceMeter.ITERATION_TOKENS.id())
                .help(SluiceMeter.ITERATION_TOKENS.help())
                .dataPoint(HistogramDataPointSnapshot.builder()
                        .classicHistogramBuckets(ClassicHistogramBuckets.of(bounds, counts.clone()))
                        .sum(sum)
                        .labels(labels)
                        .build())
                .build();
    }
}
