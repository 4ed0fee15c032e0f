package dev.sluice.metrics;

import io.prometheus.metrics.model.registry.Collector;
import io.prometheus.metrics.model.snapshots.ClassicHistogramBuckets;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot.HistogramDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import java.util.Arrays;

/** The histogram of tokens per step; its name ends in {@code _total}, which Micrometer would take away. */
final class IterationTokens implements Collector {

    private final double[] bounds;
    private final long[] counts;
    private final Labels labels;
    private double sum;

    IterationTokens(String modelName) {
        bounds = Arrays.copyOf(Buckets.ITERATION, Buckets.ITERATION.length + 1);
        bounds[bounds.length - 1] = Double.POSITIVE_INFINITY;
        counts = new long[bounds.length];
        labels = Labels.of("model_name", modelName, "engine", "0");
    }

    synchronized void observe(int tokens) {
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
                .name(MeterNames.ITERATION_TOKENS)
                .help("Tokens computed or generated per step")
                .dataPoint(HistogramDataPointSnapshot.builder()
                        .classicHistogramBuckets(ClassicHistogramBuckets.of(bounds, counts.clone()))
                        .sum(sum)
                        .labels(labels)
                        .build())
                .build();
    }
}
