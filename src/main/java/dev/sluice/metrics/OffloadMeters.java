package dev.sluice.metrics;

import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.OffloadSnapshot;
import dev.sluice.offload.OffloadSnapshot.TierBytes;
import dev.sluice.request.TokensByTier;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/** What goes through the tiers beyond the device, how full they are, and how they do. */
public final class OffloadMeters implements OffloadListener {

    private record Flow(Counter bytes, Counter tokens, Counter seconds, DistributionSummary size, Counter failures) {

        static Flow ofLoads(Meters meters, String tier) {
            return new Flow(
                    meters.counter(SluiceMeter.OFFLOAD_LOAD_BYTES, "tier", tier),
                    meters.counter(SluiceMeter.TIER_TOKENS, "tier", tier, "direction", "load"),
                    meters.counter(SluiceMeter.OFFLOAD_LOAD_TIME, "tier", tier),
                    meters.histogram(SluiceMeter.OFFLOAD_LOAD_SIZE, Buckets.TRANSFER, "tier", tier),
                    meters.counter(SluiceMeter.TIER_FAILURES, "tier", tier, "direction", "load"));
        }

        static Flow ofStores(Meters meters, String tier) {
            return new Flow(
                    meters.counter(SluiceMeter.OFFLOAD_STORE_BYTES, "tier", tier),
                    meters.counter(SluiceMeter.TIER_TOKENS, "tier", tier, "direction", "store"),
                    meters.counter(SluiceMeter.OFFLOAD_STORE_TIME, "tier", tier),
                    meters.histogram(SluiceMeter.OFFLOAD_STORE_SIZE, Buckets.TRANSFER, "tier", tier),
                    meters.counter(SluiceMeter.TIER_FAILURES, "tier", tier, "direction", "store"));
        }

        void record(long count, double tokenBytes, long nanos) {
            bytes.increment((double) count);
            tokens.increment(count / tokenBytes);
            seconds.increment(nanos * 1e-9);
            size.record((double) count);
        }
    }

    private final Meters meters;
    private final double tokenBytes;
    private Supplier<OffloadSnapshot> snapshot = () -> new OffloadSnapshot(List.of(), 0, 0, 0);
    private final Map<String, Flow> loads = new LinkedHashMap<>();
    private final Map<String, Flow> stores = new LinkedHashMap<>();

    /**
     * @param tokenBytes bytes that keys and values of one token take
     * @param tiers the names of all tiers that there can be, the fastest first
     */
    public OffloadMeters(MeterRegistry registry, String modelName, double tokenBytes, Collection<String> tiers) {
        this.tokenBytes = tokenBytes;
        meters = Meters.ofEngine(registry, modelName);
        for (String tier : tiers) {
            loads.put(tier, Flow.ofLoads(meters, tier));
            stores.put(tier, Flow.ofStores(meters, tier));
        }
    }

    /** Shows what the tiers hold. */
    public void watch(Supplier<OffloadSnapshot> snapshot) {
        this.snapshot = snapshot; // the registry holds no counter's source
        for (String tier : loads.keySet()) {
            gauge(tier, "capacity", TierBytes::capacity);
            gauge(tier, "used", TierBytes::used);
        }
        gauge(TokensByTier.HOST, "pinned", TierBytes::pinned);
        meters.gauge(SluiceMeter.TIER_JOBS, this, m -> m.snapshot.get().openJobs());
        meters.counter(
                SluiceMeter.OFFLOAD_STORES_SKIPPED, this, m -> m.snapshot.get().storesSkipped());
        meters.counter(
                SluiceMeter.TIER_LATE_COMPLETIONS, this, m -> m.snapshot.get().lateCompletions());
    }

    /** Shows whether a tier is in use: 1 while its breaker is open. */
    public void watch(String tier, CircuitBreaker breaker) {
        meters.gauge(
                SluiceMeter.TIER_BREAKER_OPEN,
                breaker,
                b -> b.getState() == CircuitBreaker.State.OPEN ? 1 : 0,
                "tier",
                tier);
    }

    private void gauge(String tier, String state, ToDoubleFunction<TierBytes> value) {
        meters.gauge(
                SluiceMeter.TIER_BYTES,
                this,
                m -> value.applyAsDouble(m.snapshot.get().tier(tier)),
                "tier",
                tier,
                "state",
                state);
    }

    @Override
    public void onStored(String tier, long bytes, long nanos) {
        flow(stores, tier).record(bytes, tokenBytes, nanos);
    }

    @Override
    public void onLoaded(String tier, long bytes, long nanos) {
        flow(loads, tier).record(bytes, tokenBytes, nanos);
    }

    @Override
    public void onFailed(String tier, boolean load) {
        flow(load ? loads : stores, tier).failures().increment();
    }

    private static Flow flow(Map<String, Flow> flows, String tier) {
        Flow flow = flows.get(tier);
        if (flow == null) {
            throw new IllegalStateException("no meters for " + tier);
        }
        return flow;
    }
}
