package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.offload.HostMemoryConnector;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.OffloadSettings;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.testkit.VirtualClock;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

/** The meters of the tiers have the names that dashboards made for vLLM ask for. */
class OffloadMetersTest {

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final OffloadMeters meters = new OffloadMeters(registry, "m", 100);

    private void assertLine(String name, Tier tier, String more, double value) {
        String labels = "{engine=\"0\"" + more + ",model_name=\"m\",tier=\"" + tier.label() + "\"}";
        String line = registry.scrape()
                .lines()
                .filter(l -> l.startsWith(name + labels))
                .findFirst()
                .orElse(name + labels + " is missing");
        assertThat(line).isEqualTo(name + labels + " " + value);
    }

    @Test
    void everyMeterIsThereFromTheStartAtZero() {
        for (Tier tier : Tier.values()) {
            for (String direction : new String[] {"load", "store"}) {
                String name = "vllm:kv_offload_" + direction;
                assertLine(name + "_bytes_total", tier, "", 0);
                assertLine(name + "_time_total", tier, "", 0);
                assertThat(registry.scrape()).contains(name + "_size_bucket{").contains(name + "_size_sum{");
                assertLine("sluice_kv_tier_failures_total", tier, "", direction, 0);
            }
        }
    }

    private void assertLine(String name, Tier tier, String more, String direction, double value) {
        assertThat(registry.scrape().lines())
                .as(name)
                .anyMatch(line -> line.startsWith(name + "{")
                        && line.contains("tier=\"" + tier.label() + "\"")
                        && line.contains("direction=\"" + direction + "\"")
                        && line.endsWith("} " + value + more));
    }

    @Test
    void whatMovesIsCountedInItsDirectionAndTier() {
        meters.onLoaded(Tier.HOST, 4000, 2_000_000_000L);
        meters.onLoaded(Tier.HOST, 2000, 1_000_000_000L);
        meters.onStored(Tier.STORAGE, 500, 250_000_000L);
        assertLine("vllm:kv_offload_load_bytes_total", Tier.HOST, "", 6000);
        assertLine("vllm:kv_offload_load_time_total", Tier.HOST, "", 3);
        assertLine("vllm:kv_offload_load_bytes_total", Tier.STORAGE, "", 0);
        assertLine("vllm:kv_offload_store_bytes_total", Tier.STORAGE, "", 500);
        assertLine("vllm:kv_offload_store_time_total", Tier.STORAGE, "", 0.25);
        assertLine("vllm:kv_offload_store_bytes_total", Tier.HOST, "", 0);
        assertLine("sluice_kv_tier_tokens_total", Tier.HOST, "", "load", 60);
        assertLine("sluice_kv_tier_tokens_total", Tier.STORAGE, "", "store", 5);
        assertLine("vllm:kv_offload_load_size_sum", Tier.HOST, "", 6000);
        assertLine("vllm:kv_offload_load_size_sum", Tier.STORAGE, "", 0);
        assertLine("vllm:kv_offload_store_size_sum", Tier.STORAGE, "", 500);
        assertThat(registry.scrape()).contains("vllm:kv_offload_load_size_count{");
    }

    @Test
    void whatATierHoldsIsShown() {
        HostMemoryConnector connector = new HostMemoryConnector(
                new OffloadSettings(1, OffloadSettings.Eviction.LRU, 0, 100, true, false),
                new KvLayout(10, 4),
                new HostPages(Arena.ofAuto().allocate(8 * 64), 64),
                TierGuard.NONE,
                null,
                TierGuard.NONE,
                OffloadListener.NONE,
                new VirtualClock(),
                true);
        meters.watch(connector);
        assertThat(registry.scrape().lines())
                .contains(
                        "sluice_kv_tier_bytes{engine=\"0\",model_name=\"m\",state=\"capacity\",tier=\"host\"} 512.0",
                        "sluice_kv_tier_bytes{engine=\"0\",model_name=\"m\",state=\"used\",tier=\"host\"} 0.0",
                        "sluice_kv_tier_jobs{engine=\"0\",model_name=\"m\"} 0.0",
                        "vllm:kv_offload_stores_skipped_total{engine=\"0\",model_name=\"m\"} 0.0",
                        "sluice_kv_tier_late_completions_total{engine=\"0\",model_name=\"m\"} 0.0");
    }

    @Test
    void aFailureIsNoTraffic() {
        meters.onFailed(Tier.HOST, true);
        meters.onFailed(Tier.STORAGE, false);
        assertLine("sluice_kv_tier_failures_total", Tier.HOST, "", "load", 1);
        assertLine("sluice_kv_tier_failures_total", Tier.HOST, "", "store", 0);
        assertLine("sluice_kv_tier_failures_total", Tier.STORAGE, "", "store", 1);
        assertLine("vllm:kv_offload_load_bytes_total", Tier.HOST, "", 0);
    }
}
