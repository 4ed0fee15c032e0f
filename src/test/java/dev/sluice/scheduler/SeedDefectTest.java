package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvCacheListener;
import dev.sluice.kv.KvLayout;
import dev.sluice.metrics.RequestMetricsRecorder;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;
import dev.sluice.testkit.RecordingSink;
import dev.sluice.testkit.VirtualClock;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * The defect that this project was born from: statistics that are set anew whenever a request is scheduled anew. The
 * schedules that brought it out elsewhere, with the numbers that are right.
 */
class SeedDefectTest {

    private static final KvConnector NONE = new NoKvConnector();

    @Test
    void aPreemptedRequestKeepsTheRecordOfItsFirstPrefill() { // 6.1
        ScriptedConnector connector = new ScriptedConnector().answerAll(2);
        Bench bench = new Bench(2, 7, s -> s, connector);
        bench.add("a", bench.distinctPrompt(5), 4);
        bench.add("b", bench.distinctPrompt(5), 4);

        assertThat(bench.step()).isEqualTo("a 3 new, b 3 new");
        assertThat(bench.free()).isZero();
        assertThat(bench.ledger.records).hasSize(2);
        assertThat(bench.step()).isEqualTo("a 1, b 1");
        assertThat(bench.free()).isZero();
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.free()).isEqualTo(2);
        assertThat(bench.snapshot().running()).isEqualTo(1);
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.free()).isEqualTo(6);
        assertThat(bench.step()).isEqualTo("b 1 resumed"); // after 4 local and 2 external tokens
        assertThat(bench.free()).isEqualTo(2);
        assertThat(connector.calls).contains("allocated 2 2");
        assertThat(connector.computed(2)).isEqualTo(7);
        assertThat(bench.step()).isEqualTo("b 1");
        assertThat(bench.free()).isEqualTo(6);

        PrefillRecord expected = new PrefillRecord(5, 0, 2);
        assertThat(expected.cachedTokens()).isEqualTo(2);
        assertThat(expected.computedTokens()).isEqualTo(3);
        assertThat(bench.ledger.records).containsExactly(expected, expected);
        assertThat(bench.record("a")).isEqualTo(expected);
        assertThat(bench.record("b")).isEqualTo(expected);
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        assertThat(bench.ledger.generated).isEqualTo(8);
        assertThat(List.of(bench.ledger.externalQueries, bench.ledger.externalHits))
                .containsExactly(10L, 4L);
        assertThat(List.of(bench.ledger.externalResumedQueries, bench.ledger.externalResumedHits))
                .containsExactly(3L, 2L);
        assertThat(List.of(bench.ledger.localQueries, bench.ledger.localHits)).containsExactly(10L, 0L);
        assertThat(List.of(bench.ledger.localResumedQueries, bench.ledger.localResumedHits))
                .containsExactly(7L, 4L);
        assertThat(connector.count("match 1")).isEqualTo(1);
        assertThat(connector.count("match 2")).isEqualTo(3);
    }

    @Test
    void countersOfTheSeedAddUp() { // 6.1, as a scrape sees it
        Exported exported = new Exported(7, 512, true, new ScriptedConnector().answerAll(2));
        exported.add("a", 5, 4);
        exported.add("b", 5, 4);
        exported.runToEnd();

        assertThat(exported.source("local_compute")).isEqualTo(6);
        assertThat(exported.source("local_cache_hit")).isZero();
        assertThat(exported.source("external_kv_transfer")).isEqualTo(4);
        assertThat(exported.value("vllm:prompt_tokens_total")).isEqualTo(10);
        assertThat(exported.value("vllm:prompt_tokens_cached_total")).isEqualTo(4);
        assertThat(exported.value("vllm:generation_tokens_total")).isEqualTo(8);
        assertThat(exported.value("vllm:num_preemptions_total")).isEqualTo(1);
        assertThat(exported.value("vllm:external_prefix_cache_queries_total")).isEqualTo(10);
        assertThat(exported.value("vllm:external_prefix_cache_hits_total")).isEqualTo(4);
    }

    @Test
    void aRequestThatIsPreemptedBeforeItsFirstOutputBringsTheNaiveCountersDown() { // 6.2
        NaiveStatistics naive =
                new NaiveStatistics(new ScriptedConnector().answer(2, 2, 4).answerAll(0), Map.of(1L, "a", 2L, "b"));
        Bench bench = new Bench(2, 7, s -> s.budget(5).gate(false).contextLength(13), naive);
        bench.add("a", bench.distinctPrompt(4), 3);
        bench.add("b", bench.distinctPrompt(12), 1);
        bench.runToEnd();

        assertThat(naive.local("b")).isEqualTo(-2);
        RequestTimeline b = new RequestTimeline(bench.requests.get("b"));
        assertThatThrownBy(() -> naive.onPrefilled(b, bench.record("b")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-2");
    }

    @Test
    void theSameScheduleLeavesOurRecordAsItWas() { // 6.2
        ScriptedConnector connector = new ScriptedConnector().answer(2, 2, 4).answerAll(0);
        Bench bench = new Bench(2, 7, s -> s.budget(5).gate(false).contextLength(13), connector);
        bench.add("a", bench.distinctPrompt(4), 3);
        bench.add("b", bench.distinctPrompt(12), 1);

        assertThat(bench.step()).isEqualTo("a 4 new, b 1 new");
        assertThat(bench.free()).isEqualTo(2);
        assertThat(bench.step()).isEqualTo("a 1"); // b needed two blocks, had one, and preempted itself
        assertThat(bench.free()).isEqualTo(3);
        assertThat(bench.step()).isEqualTo("a 1"); // b was refused: five blocks of three
        assertThat(bench.free()).isEqualTo(6);
        assertThat(bench.step()).isEqualTo("b 5 resumed");
        assertThat(bench.ledger.records).hasSize(1); // of a
        assertThat(bench.step()).isEqualTo("b 1");

        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(12, 0, 2));
        assertThat(bench.record("b").computedTokens()).isEqualTo(10);
        assertThat(List.of(bench.ledger.externalQueries, bench.ledger.externalHits))
                .containsExactly(16L, 2L);
        assertThat(List.of(bench.ledger.externalResumedQueries, bench.ledger.externalResumedHits))
                .containsExactly(10L, 4L);
    }

    @Test
    void theSameScheduleLeavesOurCountersBalanced() { // 6.2, as a scrape sees it
        Exported exported = new Exported(
                7, 5, false, new ScriptedConnector().answer(2, 2, 4).answerAll(0));
        exported.add("a", 4, 3);
        exported.add("b", 12, 1);
        exported.runToEnd();

        assertThat(exported.source("local_compute")).isEqualTo(14);
        assertThat(exported.source("local_cache_hit")).isZero();
        assertThat(exported.source("external_kv_transfer")).isEqualTo(2);
        assertThat(exported.value("vllm:prompt_tokens_total")).isEqualTo(16);
    }

    @Test
    void withoutAConnectorTheSeedResumesFromTheLocalCache() { // S50
        for (boolean caching : new boolean[] {true, false}) {
            Bench bench = new Bench(2, 7, s -> s.prefixCaching(caching), NONE);
            bench.add("a", bench.distinctPrompt(5), 4);
            bench.add("b", bench.distinctPrompt(5), 4);
            assertThat(bench.runToEnd())
                    .containsExactly(
                            "a 5 new, b 5 new",
                            "a 1, b 1",
                            "a 1",
                            "a 1",
                            caching ? "b 3 resumed" : "b 7 resumed",
                            "b 1");
            PrefillRecord expected = new PrefillRecord(5, 0, 0);
            assertThat(bench.ledger.records).containsExactly(expected, expected);
            assertThat(bench.ledger.generated).isEqualTo(8);
            assertThat(bench.ledger.preemptions).isEqualTo(1);
            assertThat(bench.ledger.externalLookups).isZero();
            assertThat(bench.ledger.localResumedHits).isEqualTo(caching ? 4 : 0);
        }
    }

    /** The production loop with the production recorder; what Prometheus would read is what is asserted. */
    private static final class Exported {
        private final VirtualClock clock = new VirtualClock();
        private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        private final SchedulerLoop loop;
        private int nextToken = 1000;

        Exported(int blocks, int budget, boolean gate, KvConnector connector) {
            KvLayout layout = new KvLayout(blocks, 2);
            SchedulerSettings settings =
                    new SettingsDraft(13).budget(budget).gate(gate).build();
            Bench trustful = new Bench(2, blocks, s -> s); // its executor does not mind blocks that nobody filled
            loop = new SchedulerLoop(
                    settings,
                    new KvCache(layout, true, KvCacheListener.NONE),
                    new BlockHasher(2, new byte[32]),
                    trustful.executor,
                    connector,
                    new RequestMetricsRecorder(registry, "model", settings.contextLength()),
                    clock);
        }

        void add(String name, int promptLength, int maxTokens) {
            int[] prompt = new int[promptLength];
            for (int i = 0; i < promptLength; i++) {
                prompt[i] = nextToken++;
            }
            GenerationRequest request = new GenerationRequest(
                    name,
                    prompt,
                    SamplingParams.greedy(maxTokens),
                    0,
                    null,
                    Integer.MAX_VALUE,
                    clock.monotonicNanos(),
                    Long.MAX_VALUE,
                    Long.MAX_VALUE,
                    false);
            assertThat(loop.submit(request, new RecordingSink())).isTrue();
        }

        void runToEnd() {
            do {
                clock.advanceNanos(1_000_000);
                loop.runOnce();
            } while (loop.hasRequests());
        }

        double source(String source) {
            return value("vllm:prompt_tokens_by_source_total", "source=\"" + source + "\"");
        }

        double value(String metric, String... labels) {
            List<String> lines = registry.scrape()
                    .lines()
                    .filter(line -> line.startsWith(metric + "{"))
                    .filter(line -> List.of(labels).stream().allMatch(line::contains))
                    .toList();
            assertThat(lines).as(metric).hasSize(1);
            return Double.parseDouble(
                    lines.getFirst().substring(lines.getFirst().lastIndexOf(' ')));
        }
    }
}
