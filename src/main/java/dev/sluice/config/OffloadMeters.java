package dev.sluice.config;

import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.OffloadSnapshot;
import dev.sluice.offload.OffloadSnapshot.TierBytes;
import dev.sluice.request.TokensByTier;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/** What goes through the tiers beyond the device, how full they are, and how they do. Names are vLLM's where it has them. */
final class OffloadMeters implements OffloadListener {

    private static final double[] SIZES = {1e6, 5e6, 1e7, 2e7, 4e7, 6e7, 8e7, 1e8, 1.5e8, 2e8};

    private record Flow(Counter bytes, Counter tokens, Counter seconds, DistributionSummary size, Counter failures) {

        static Flow of(MeterRegistry registry, String direction, Tags tags) {
            String name = "vllm:kv_offload_" + direction;
            return new Flow(
                    Counter.builder(name + "_bytes").tags(tags).register(registry),
                    Counter.builder("sluice_kv_tier_tokens")
                            .tags(tags.and("direction", direction))
                            .register(registry),
                    Counter.builder(name + "_time").tags(tags).register(registry),
                    DistributionSummary.builder(name + "_size")
                            .tags(tags)
                            .serviceLevelObjectives(SIZES)
                            .register(registry),
                    Counter.builder("sluice_kv_tier_failures")
                            .tags(tags.and("direction", direction))
                            .register(registry));
        }

        void record(long count, double tokenBytes, long nanos) {
            bytes.increment((double) count);
            tokens.increment(count / tokenBytes);
            seconds.increment(nanos * 1e-9);
            size.record((double) count);
        }
    }

    private final MeterRegistry registry;
    private final Tags common;
    private final double tokenBytes;
    private Supplier<OffloadSnapshot> snapshot = () -> new OffloadSnapshot(List.of(), 0, 0, 0);
    private final Map<String, Flow> loads = new LinkedHashMap<>();
    private final Map<String, Flow> stores = new LinkedHashMap<>();

    /**
     * @param tokenBytes bytes that keys and values of one token take
     * @param tiers the names of all tiers that there can be, the fastest first
     */
    OffloadMeters(MeterRegistry registry, String modelName, double tokenBytes, Collection<String> tiers) {
        this.tokenBytes = tokenBytes;
        this.registry = registry;
        common = Tags.of("model_name", modelName, "engine", "0");
        for (String tier : tiers) {
            Tags tags = common.and("tier", tier);
            loads.put(tier, Flow.of(registry, "load", tags));
            stores.put(tier, Flow.of(registry, "store", tags));
        }
    }

    /** Shows what the tiers hold. */
    void watch(Supplier<OffloadSnapshot> snapshot) {
        this.snapshot = snapshot; // the registry holds no counter's source
        for (String tier : loads.keySet()) {
            gauge(tier, "capacity", TierBytes::capacity);
            gauge(tier, "used", TierBytes::used);
        }
        gauge(TokensByTier.HOST, "pinned", TierBytes::pinned);
        Gauge.builder("sluice_kv_tier_jobs", this, m -> m.snapshot.get().openJobs())
                .tags(common)
                .register(registry);
        FunctionCounter.builder(
                        "vllm:kv_offload_stores_skipped",
                        this,
                        m -> m.snapshot.get().storesSkipped())
                .tags(common)
                .register(registry);
        FunctionCounter.builder(
                        "sluice_kv_tier_late_completions",
                        this,
                        m -> m.snapshot.get().lateCompletions())
                .tags(common)
                .register(registry);
    }

    /** Shows whether a tier is in use: 1 while its breaker is open. */
    void watch(String tier, CircuitBreaker breaker) {
        Gauge.builder("sluice_kv_tier_breaker_open", breaker, b -> b.getState() == CircuitBreaker.State.OPEN ? 1 : 0)
                .tags(common.and("tier", tier))
                .register(registry);
    }

    private void gauge(String tier, String state, ToDoubleFunction<TierBytes> value) {
        Gauge.builder(
                        "sluice_kv_tier_bytes",
                        this,
                        m -> value.applyAsDouble(m.snapshot.get().tier(tier)))
                .tags(common.and("tier", tier, "state", state))
                .register(registry);
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
