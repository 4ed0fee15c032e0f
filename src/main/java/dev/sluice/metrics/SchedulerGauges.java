package dev.sluice.metrics;

import dev.sluice.runtime.Clock;
import dev.sluice.scheduler.SchedulerSnapshot;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/** Shows the scheduler's latest snapshot as gauges; a scrape reads one field and asks nobody. */
public final class SchedulerGauges {

    private final Meters meters;
    private final Supplier<SchedulerSnapshot> snapshots;

    private SchedulerGauges(Meters meters, Supplier<SchedulerSnapshot> snapshots) {
        this.meters = meters;
        this.snapshots = snapshots;
    }

    /** Registers all gauges. */
    public static void register(
            MeterRegistry registry,
            Supplier<SchedulerSnapshot> snapshots,
            Clock clock,
            String modelName,
            int blockSize,
            boolean prefixCaching) {
        Meters meters = Meters.ofEngine(registry, modelName);
        SchedulerGauges gauges = new SchedulerGauges(meters, snapshots);
        gauges.add(SluiceMeter.RUNNING, SchedulerSnapshot::running);
        gauges.add(SluiceMeter.WAITING, SchedulerSnapshot::waiting);
        gauges.add(SluiceMeter.WAITING_BY_REASON, SchedulerSnapshot::waitingForCapacity, "reason", "capacity");
        gauges.add(SluiceMeter.WAITING_BY_REASON, SchedulerSnapshot::waitingDeferred, "reason", "deferred");
        gauges.add(SluiceMeter.KV_USAGE, SchedulerSnapshot::kvUsage);
        gauges.add(SluiceMeter.KV_BLOCKS, SchedulerSnapshot::blocksUsed, "state", "used");
        gauges.add(SluiceMeter.KV_BLOCKS, SchedulerSnapshot::blocksCached, "state", "cached");
        gauges.add(SluiceMeter.KV_BLOCKS, s -> s.blocksUsable() - s.blocksUsed() - s.blocksCached(), "state", "free");
        gauges.add(SluiceMeter.CONNECTOR_OFF, s -> s.connectorOff() ? 1 : 0);
        gauges.add(SluiceMeter.TURN_AGE, s -> Math.max(0, clock.monotonicNanos() - s.lastProgressNanos()) * 1e-9);
        meters.info(
                SluiceMeter.CACHE_CONFIG,
                "block_size",
                Integer.toString(blockSize),
                "num_gpu_blocks",
                Integer.toString(snapshots.get().blocksUsable() + 1),
                "enable_prefix_caching",
                Boolean.toString(prefixCaching));
        meters.counter(SluiceMeter.CONNECTOR_FAILURES, snapshots, s -> s.get().connectorFailures());
    }

    private void add(SluiceMeter meter, ToDoubleFunction<SchedulerSnapshot> value, String... labels) {
        meters.gauge(meter, snapshots, s -> value.applyAsDouble(s.get()), labels);
    }
}
