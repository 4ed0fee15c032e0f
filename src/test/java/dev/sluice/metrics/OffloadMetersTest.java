package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.offload.host.HostMemoryConnector;
import dev.sluice.offload.host.OffloadSettings;
import dev.sluice.testkit.VirtualClock;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The meters of the tiers have the names that dashboards made for vLLM ask for. */
class OffloadMetersTest {

    private static final List<String> TIERS = List.of("host", "storage", "remote");

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final OffloadMeters meters = new OffloadMeters(registry, "m", 100, TIERS);

    private void assertLine(String name, String tier, String more, double value) {
        String labels = "{engine=\"0\"" + more + ",model_name=\"m\",tier=\"" + tier + "\"}";
        String line = registry.scrape()
                .lines()
                .filter(l -> l.startsWith(name + labels))
                .findFirst()
                .orElse(name + labels + " is missing");
        assertThat(line).isEqualTo(name + labels + " " + value);
    }

    @Test
    void everyMeterIsThereFromTheStartAtZero() {
        for (String tier : TIERS) {
            for (String direction : new String[] {"load", "store"}) {
                String name = "vllm:kv_offload_" + direction;
                assertLine(name + "_bytes_total", tier, "", 0);
                assertLine(name + "_time_total", tier, "", 0);
                assertThat(registry.scrape()).contains(name + "_size_bucket{").contains(name + "_size_sum{");
                assertLine("sluice_kv_tier_failures_total", tier, "", direction, 0);
            }
        }
    }

    private void assertLine(String name, String tier, String more, String direction, double value) {
        assertThat(registry.scrape().lines())
                .as(name)
                .anyMatch(line -> line.startsWith(name + "{")
                        && line.contains("tier=\"" + tier + "\"")
                        && line.contains("direction=\"" + direction + "\"")
                        && line.endsWith("} " + value + more));
    }

    @Test
    void whatMovesIsCountedInItsDirectionAndTier() {
        meters.onLoaded("host", 4000, 2_000_000_000L);
        meters.onLoaded("host", 2000, 1_000_000_000L);
        meters.onStored("storage", 500, 250_000_000L);
        assertLine("vllm:kv_offload_load_bytes_total", "host", "", 6000);
        assertLine("vllm:kv_offload_load_time_total", "host", "", 3);
        assertLine("vllm:kv_offload_load_bytes_total", "storage", "", 0);
        assertLine("vllm:kv_offload_store_bytes_total", "storage", "", 500);
        assertLine("vllm:kv_offload_store_time_total", "storage", "", 0.25);
        assertLine("vllm:kv_offload_store_bytes_total", "host", "", 0);
        assertLine("sluice_kv_tier_tokens_total", "host", "", "load", 60);
        assertLine("sluice_kv_tier_tokens_total", "storage", "", "store", 5);
        assertLine("vllm:kv_offload_load_size_sum", "host", "", 6000);
        assertLine("vllm:kv_offload_load_size_sum", "storage", "", 0);
        assertLine("vllm:kv_offload_store_size_sum", "storage", "", 500);
        assertThat(registry.scrape()).contains("vllm:kv_offload_load_size_count{");
    }

    @Test
    void whatATierHoldsIsShown() {
        HostMemoryConnector connector = new HostMemoryConnector(
                new OffloadSettings(1, OffloadSettings.Eviction.LRU, 0, 100, true, false),
                new KvLayout(10, 4),
                new HostPages(Arena.ofAuto().allocate(8 * 64), 64),
                new Tier("host", TierGuard.NONE),
                List.of(),
                OffloadListener.NONE,
                new VirtualClock(),
                true);
        meters.watch(connector::snapshot);
        System.gc(); // the registry must not be the only one to know the source
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
        meters.onFailed("host", true);
        meters.onFailed("storage", false);
        assertLine("sluice_kv_tier_failures_total", "host", "", "load", 1);
        assertLine("sluice_kv_tier_failures_total", "host", "", "store", 0);
        assertLine("sluice_kv_tier_failures_total", "storage", "", "store", 1);
        assertLine("vllm:kv_offload_load_bytes_total", "host", "", 0);
    }
}
