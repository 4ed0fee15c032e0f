package dev.sluice.metrics;

import dev.sluice.runtime.Clock;
import dev.sluice.scheduler.SchedulerSnapshot;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.prometheus.metrics.core.metrics.Info;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/** Shows the scheduler's latest snapshot as gauges; a scrape reads one field and asks nobody. */
public final class SchedulerGauges {

    private final PrometheusMeterRegistry registry;
    private final Supplier<SchedulerSnapshot> snapshots;
    private final Tags tags;

    private SchedulerGauges(PrometheusMeterRegistry registry, Supplier<SchedulerSnapshot> snapshots, Tags tags) {
        this.registry = registry;
        this.snapshots = snapshots;
        this.tags = tags;
    }

    /** Registers all gauges. */
    public static void register(
            PrometheusMeterRegistry registry,
            Supplier<SchedulerSnapshot> snapshots,
            Clock clock,
            String modelName,
            int blockSize,
            boolean prefixCaching) {
        Tags tags = Tags.of("model_name", modelName, "engine", "0");
        SchedulerGauges gauges = new SchedulerGauges(registry, snapshots, tags);
        gauges.add(MeterNames.RUNNING, Tags.empty(), SchedulerSnapshot::running);
        gauges.add(MeterNames.WAITING, Tags.empty(), SchedulerSnapshot::waiting);
        gauges.add(MeterNames.WAITING_BY_REASON, Tags.of("reason", "capacity"), SchedulerSnapshot::waitingForCapacity);
        gauges.add(MeterNames.WAITING_BY_REASON, Tags.of("reason", "deferred"), SchedulerSnapshot::waitingDeferred);
        gauges.add(MeterNames.KV_USAGE, Tags.empty(), SchedulerSnapshot::kvUsage);
        gauges.add(MeterNames.KV_BLOCKS, Tags.of("state", "used"), SchedulerSnapshot::blocksUsed);
        gauges.add(MeterNames.KV_BLOCKS, Tags.of("state", "cached"), SchedulerSnapshot::blocksCached);
        gauges.add(
                MeterNames.KV_BLOCKS,
                Tags.of("state", "free"),
                s -> s.blocksUsable() - s.blocksUsed() - s.blocksCached());
        gauges.add(MeterNames.CONNECTOR_OFF, Tags.empty(), s -> s.connectorOff() ? 1 : 0);
        FunctionCounter.builder(
                        MeterNames.CONNECTOR_FAILURES, snapshots, s -> s.get().connectorFailures())
                .tags(tags)
                .register(registry);
        gauges.add(
                MeterNames.STEP_AGE,
                Tags.empty(),
                s -> Math.max(0, clock.monotonicNanos() - s.lastProgressNanos()) * 1e-9);
        Info.builder()
                .name(MeterNames.CACHE_CONFIG)
                .help("Settings of the KV cache")
                .labelNames("model_name", "engine", "block_size", "num_gpu_blocks", "enable_prefix_caching")
                .register(registry.getPrometheusRegistry())
                .addLabelValues(
                        modelName,
                        "0",
                        Integer.toString(blockSize),
                        Integer.toString(snapshots.get().blocksUsable() + 1),
                        Boolean.toString(prefixCaching));
    }

    private void add(String name, Tags extra, ToDoubleFunction<SchedulerSnapshot> value) {
        Gauge.builder(name, () -> value.applyAsDouble(snapshots.get()))
                .tags(tags.and(extra))
                .register(registry);
    }
}
