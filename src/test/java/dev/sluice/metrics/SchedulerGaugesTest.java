package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.scheduler.SchedulerSnapshot;
import dev.sluice.testkit.VirtualClock;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Each gauge shows its own part of the latest snapshot. */
class SchedulerGaugesTest {

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final VirtualClock clock = new VirtualClock();
    private SchedulerSnapshot snapshot =
            new SchedulerSnapshot(2, 3, 4, 5, 20, 1, 0, 0, 7, true, clock.monotonicNanos());

    @BeforeEach
    void register() {
        SchedulerGauges.register(registry, () -> snapshot, clock, "m", 16, true);
    }

    private double value(String name, String labels) {
        return Scrape.value(registry.scrape(), name, labels);
    }

    @Test
    void everyPartOfTheSnapshotHasItsGauge() {
        assertThat(value("vllm:num_requests_running", "model_name=\"m\"")).isEqualTo(2);
        assertThat(value("vllm:num_requests_waiting", "")).isEqualTo(7);
        assertThat(value("vllm:num_requests_waiting_by_reason", "reason=\"capacity\""))
                .isEqualTo(3);
        assertThat(value("vllm:num_requests_waiting_by_reason", "reason=\"deferred\""))
                .isEqualTo(4);
        assertThat(value("vllm:kv_cache_usage_perc", "")).isEqualTo(0.25);
        assertThat(value("sluice_kv_blocks", "state=\"used\"")).isEqualTo(5);
        assertThat(value("sluice_kv_blocks", "state=\"cached\"")).isEqualTo(1);
        assertThat(value("sluice_kv_blocks", "state=\"free\"")).isEqualTo(14);
        assertThat(value("sluice_kv_connector_off", "")).isEqualTo(1);
        assertThat(value("sluice_kv_connector_failures_total", "")).isEqualTo(7);
        assertThat(registry.scrape())
                .contains("vllm:cache_config_info{")
                .contains("num_gpu_blocks=\"21\"")
                .contains("block_size=\"16\"")
                .contains("enable_prefix_caching=\"true\"");
    }

    @Test
    void theAgeOfTheTurnGrowsWithTheClock() {
        clock.advanceNanos(1_500_000_000L);
        assertThat(value("sluice_turn_age_seconds", "")).isEqualTo(1.5, Offset.offset(1e-9));
    }

    @Test
    void aScrapeSeesTheLatestSnapshot() {
        snapshot = new SchedulerSnapshot(0, 0, 0, 0, 20, 0, 9, 0, 7, false, clock.monotonicNanos());
        assertThat(value("vllm:num_requests_running", "")).isZero();
        assertThat(value("sluice_kv_connector_off", "")).isZero();
        assertThat(value("sluice_kv_blocks", "state=\"free\"")).isEqualTo(20);
    }
}
