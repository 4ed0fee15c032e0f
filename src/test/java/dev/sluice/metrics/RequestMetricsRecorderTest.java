package dev.sluice.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.PromptWork;
import dev.sluice.scheduler.RequestTimeline;
import dev.sluice.scheduler.Timelines;
import io.micrometer.core.instrument.Clock;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RequestMetricsRecorderTest {

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final RequestMetricsRecorder recorder = new RequestMetricsRecorder(registry, "m", 4096);

    private double value(String name, String labels) {
        return Scrape.value(registry.scrape(), name, labels);
    }

    @ParameterizedTest
    @CsvSource({
        "1000, 0, 0, 1000, 0",
        "1000, 300, 0, 700, 300",
        "1000, 0, 500, 500, 500",
        "1000, 400, 200, 400, 600",
        "1000, 999, 0, 1, 999",
        "1000, 0, 999, 1, 999",
        "1000, 0, 1000, 0, 1000",
        "1000, 600, 400, 0, 1000"
    })
    void eachRecordMovesAllItsSums(int prompt, int local, int external, int computed, int cached) {
        PrefillRecord record = new PrefillRecord(prompt, local, external);
        recorder.onPrefilled(Timelines.finished(record, 3), record);
        assertThat(value("vllm:prompt_tokens_total", "")).isEqualTo(prompt);
        assertThat(value("vllm:prompt_tokens_by_source_total", "local_compute")).isEqualTo(computed);
        assertThat(value("vllm:prompt_tokens_by_source_total", "local_cache_hit"))
                .isEqualTo(local);
        assertThat(value("vllm:prompt_tokens_by_source_total", "external_kv_transfer"))
                .isEqualTo(external);
        assertThat(value("vllm:prompt_tokens_by_source_total", "")).isEqualTo(prompt);
        assertThat(value("vllm:prompt_tokens_cached_total", "")).isEqualTo(cached);
    }

    @ParameterizedTest
    @CsvSource({"10, -1, 0", "10, 0, -2", "10, 6, 5"})
    void anInconsistentRecordCannotExist(int prompt, int local, int external) {
        assertThatThrownBy(() -> new PrefillRecord(prompt, local, external))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void timesAreThoseOfTheTimeline() {
        PrefillRecord record = new PrefillRecord(2000, 1200, 0);
        RequestTimeline first = Timelines.finished(record, 1);
        recorder.onPrefilled(first, record);
        recorder.onToken(first, RequestTimeline.NEVER);
        RequestTimeline request = Timelines.finished(record, 3);
        recorder.onFinished(request, FinishReason.STOP);
        assertThat(value("vllm:time_to_first_token_seconds_sum", "")).isEqualTo(2.5, Offset.offset(1e-9));
        assertThat(value("vllm:request_queue_time_seconds_sum", "")).isEqualTo(1, Offset.offset(1e-9));
        assertThat(value("vllm:request_prefill_time_seconds_sum", "")).isEqualTo(1, Offset.offset(1e-9));
        assertThat(value("vllm:request_decode_time_seconds_sum", "")).isEqualTo(2, Offset.offset(1e-9));
        assertThat(value("vllm:request_time_per_output_token_seconds_sum", "")).isEqualTo(1, Offset.offset(1e-9));
        assertThat(value("vllm:e2e_request_latency_seconds_sum", "")).isEqualTo(4.5, Offset.offset(1e-9));
        assertThat(value("vllm:request_inference_time_seconds_sum", "")).isEqualTo(3, Offset.offset(1e-9));
        assertThat(value("vllm:request_prompt_tokens_sum", "")).isEqualTo(2000);
        assertThat(value("vllm:request_generation_tokens_sum", "")).isEqualTo(3);
        assertThat(value("vllm:request_params_max_tokens_sum", "")).isEqualTo(3);
        assertThat(value("vllm:request_prefill_kv_computed_tokens_sum", "")).isEqualTo(800);
        assertThat(value("vllm:request_success_total", "finished_reason=\"stop\""))
                .isEqualTo(1);
    }

    @Test
    void aSingleTokenHasNoTimePerToken() {
        recorder.onFinished(Timelines.finished(new PrefillRecord(5, 0, 0), 1), FinishReason.STOP);
        assertThat(value("vllm:request_time_per_output_token_seconds_count", ""))
                .isEqualTo(1);
        assertThat(value("vllm:request_time_per_output_token_seconds_sum", "")).isZero();
    }

    @Test
    void anAbortedRequestCountsButItsTimesDoNot() {
        recorder.onFinished(Timelines.finished(new PrefillRecord(5, 0, 0), 2), FinishReason.ABORT);
        assertThat(value("vllm:request_success_total", "abort")).isEqualTo(1);
        assertThat(value("vllm:e2e_request_latency_seconds_count", "")).isZero();
    }

    @Test
    void lookupsOfPreemptedRequestsAreNotPartOfTheHitRate() {
        recorder.onLocalLookup(100, 40, false);
        recorder.onLocalLookup(100, 90, true);
        recorder.onExternalLookup(60, 30, false);
        recorder.onExternalLookup(60, 60, true);
        assertThat(value("vllm:prefix_cache_queries_total", "")).isEqualTo(100);
        assertThat(value("vllm:prefix_cache_hits_total", "")).isEqualTo(40);
        assertThat(value("vllm:external_prefix_cache_hits_total", "")).isEqualTo(30);
        assertThat(value("sluice_prefix_cache_resumed_queries_total", "")).isEqualTo(100);
        assertThat(value("sluice_prefix_cache_resumed_hits_total", "")).isEqualTo(90);
        assertThat(value("sluice_external_prefix_cache_resumed_hits_total", "")).isEqualTo(60);
        assertThat(recorder.prefixHitRate()).isEqualTo(0.4);
    }

    @Test
    void tokensPerStepKeepTheNameThatDashboardsKnow() {
        recorder.onStep(3, 20, 2, 1_000_000);
        recorder.onStep(3, 0, 3, 1_000_000);
        assertThat(value("vllm:iteration_tokens_total_count", "")).isEqualTo(2);
        assertThat(value("vllm:iteration_tokens_total_sum", "")).isEqualTo(25);
        assertThat(value("vllm:iteration_tokens_total_bucket", "le=\"8.0\"")).isEqualTo(1);
        assertThat(value("sluice_step_seconds_count", "")).isEqualTo(2);
        assertThat(value("sluice_step_seconds_sum", "")).isEqualTo(0.002, Offset.offset(1e-12));
    }

    @Test
    void aBucketHoldsItsBoundAndTheLastOneHoldsTheRest() {
        recorder.onStep(1, 7, 1, 1);
        recorder.onStep(1, 9_999, 1, 1);
        recorder.onStep(1, 19_999, 1, 1);
        assertThat(value("vllm:iteration_tokens_total_bucket", "le=\"8.0\"")).isEqualTo(1);
        assertThat(value("vllm:iteration_tokens_total_bucket", "le=\"8192.0\"")).isEqualTo(1);
        assertThat(value("vllm:iteration_tokens_total_bucket", "le=\"16384.0\""))
                .isEqualTo(2);
        assertThat(value("vllm:iteration_tokens_total_bucket", "le=\"+Inf\"")).isEqualTo(3);
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "4, 1 2", "5, 1 2 5", "199, 1 2 5 10 20 50 100", "200, 1 2 5 10 20 50 100 200"})
    void boundsOfLengthsEndBelowTheLongest(int longest, String bounds) {
        assertThat(Arrays.stream(Buckets.oneTwoFive(longest))
                        .mapToObj(bound -> Integer.toString((int) bound))
                        .collect(Collectors.joining(" ")))
                .isEqualTo(bounds);
    }

    @Test
    void theHitRateForgetsWhatIsOlderThanItsWindow() {
        PrefixHitRate rate = new PrefixHitRate(5);
        int[][] updates = {{1, 20, 9}, {4, 80, 16}, {1, 10, 2}, {11, 20, 10}, {22, 40, 30}};
        double[] expected = {.45, .25, .2, .5, .75};
        for (int i = 0; i < updates.length; i++) {
            rate.observe(updates[i][0], updates[i][1], updates[i][2]);
            rate.observe(0, 1000, 1000);
            assertThat(rate.rate()).isEqualTo(expected[i], Offset.offset(1e-12));
        }
    }

    @Test
    void theHitRateForgetsNoMoreThanItMust() {
        PrefixHitRate rate = new PrefixHitRate(2);
        rate.observe(1, 10, 0);
        rate.observe(1, 10, 5);
        rate.observe(1, 10, 10);
        assertThat(rate.rate()).isEqualTo(0.75);
    }

    @Test
    void everythingIsThereFromTheStartAtZero() {
        String page = registry.scrape();
        for (String name : new String[] {
            "vllm:generation_tokens_total", "vllm:num_preemptions_total", "vllm:time_to_first_token_seconds_count"
        }) {
            assertThat(Scrape.value(page, name, "model_name=\"m\"")).isZero();
        }
        assertThat(page).contains("vllm:time_to_first_token_seconds_bucket").contains("le=\"2560.0\"");
    }

    @Test
    void everyScrapeAddsUpWhileRecordsComeIn() throws Exception {
        PrefillRecord record = new PrefillRecord(7, 2, 1);
        RequestTimeline request = Timelines.finished(record, 1);
        try (var pool = Executors.newSingleThreadExecutor()) {
            Future<?> writer = pool.submit(() -> {
                for (int i = 0; i < 200_000; i++) {
                    recorder.onPrefilled(request, record);
                }
            });
            while (!writer.isDone()) {
                String page = registry.scrape();
                assertThat(Scrape.value(page, "vllm:prompt_tokens_by_source_total", ""))
                        .isEqualTo(Scrape.value(page, "vllm:prompt_tokens_total", ""));
            }
            writer.get();
        }
        assertThat(value("vllm:prompt_tokens_total", "")).isEqualTo(7 * 200_000);
    }

    @Test
    void aPromptThatWasLoadedWholeComputedNothing() {
        recorder.onFinished(Timelines.finished(new PrefillRecord(40, 0, 40), 2), FinishReason.STOP);
        assertThat(value("vllm:request_prefill_kv_computed_tokens_count", "")).isEqualTo(1);
        assertThat(value("vllm:request_prefill_kv_computed_tokens_sum", "")).isZero();
    }

    @Test
    void theTimeToTheFirstTokenIsObservedOnceWhateverComesAfterwards() {
        RequestTimeline request = Timelines.finished(new PrefillRecord(5, 0, 0), 3);
        recorder.onToken(request, RequestTimeline.NEVER);
        recorder.onPreempted(request);
        recorder.onToken(request, request.firstTokenNanos());
        recorder.onToken(request, request.firstTokenNanos());
        assertThat(value("vllm:time_to_first_token_seconds_count", "")).isEqualTo(1);
        assertThat(value("vllm:inter_token_latency_seconds_count", "")).isEqualTo(2);
        assertThat(value("vllm:inter_token_latency_seconds_sum", "")).isEqualTo(4, Offset.offset(1e-9));
        assertThat(value("vllm:generation_tokens_total", "")).isEqualTo(3);
        assertThat(value("vllm:num_preemptions_total", "")).isEqualTo(1);
    }

    @Test
    void theWorkOnPromptsIsShownByWhatBecameOfIt() {
        RequestTimeline request = Timelines.finished(new PrefillRecord(5, 0, 0), 3);
        recorder.onStep(1, 100, 0, 1);
        recorder.onPromptWork(request, PromptWork.ANSWERED, 40);
        recorder.onPromptWork(request, PromptWork.WASTED, 30);
        recorder.onPromptWork(request, PromptWork.RECOMPUTED_AFTER_FAILED_LOAD, 20);
        recorder.onPromptWork(request, PromptWork.RECOMPUTED_AFTER_PREEMPTION, 10);
        recorder.onLoadFailed(request);
        assertThat(value("sluice_prompt_computed_tokens_total", "")).isEqualTo(100);
        assertThat(value("sluice_prompt_answered_tokens_total", "")).isEqualTo(40);
        assertThat(value("sluice_prompt_wasted_tokens_total", "")).isEqualTo(30);
        assertThat(value("sluice_kv_recomputed_tokens_total", "reason=\"failed_load\""))
                .isEqualTo(20);
        assertThat(value("sluice_kv_recomputed_tokens_total", "reason=\"preemption\""))
                .isEqualTo(10);
        assertThat(value("sluice_kv_failed_loads_total", "")).isEqualTo(1);
    }

    @Test
    void tokenCountersReachEveryRegistry() {
        SimpleMeterRegistry other = new SimpleMeterRegistry();
        PrometheusMeterRegistry prometheus = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        RequestMetricsRecorder both = new RequestMetricsRecorder(
                new CompositeMeterRegistry(Clock.SYSTEM, List.of(other, prometheus)), "m", 4096);
        PrefillRecord record = new PrefillRecord(10, 3, 5);
        both.onPrefilled(Timelines.finished(record, 1), record);
        both.onStep(1, 2, 1, 1_000_000);
        assertThat(other.get("vllm:prompt_tokens").functionCounter().count()).isEqualTo(10);
        assertThat(other.get("vllm:prompt_tokens_by_source")
                        .tag("source", "external_kv_transfer")
                        .functionCounter()
                        .count())
                .isEqualTo(5);
        assertThat(other.get("vllm:iteration_tokens_total").summary().totalAmount())
                .isEqualTo(3);
        assertThat(prometheus.scrape())
                .contains("vllm:prompt_tokens_total{engine=\"0\",model_name=\"m\"} 10.0")
                .contains("source=\"external_kv_transfer\"} 5.0")
                .contains("vllm:iteration_tokens_total_sum{engine=\"0\",model_name=\"m\"} 3.0");
    }
}
