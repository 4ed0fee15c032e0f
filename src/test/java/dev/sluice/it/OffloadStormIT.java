package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.offload.KvConnector;
import dev.sluice.offload.host.HostMemoryConnector;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Everything at once: a pool so small that requests preempt each other all the time, prefixes that come and go through
 * host memory, loads that fail or bring damaged blocks, clients that hang up. Who stays gets what it would have got alone,
 * and the numbers add up.
 */
class OffloadStormIT {

    private static final int CALLS = 240;
    private static final int CLIENTS = 16;
    private static final int TOPICS = 6;
    private static final int QUESTIONS = 8;

    /** What a client has seen of one call; {@code complete} false if it hung up after the first chunk. */
    private record Seen(int kind, boolean complete, String text, JsonNode usage) {

        int count(String pointer) {
            return usage.at(pointer).intValue();
        }
    }

    private record Call(int kind, boolean hangsUp) {}

    @Test
    void whoeverStaysGetsWhatItWouldHaveGotAloneAndTheNumbersAddUp() throws Exception {
        List<String> alone = answersAlone();
        FaultyCopies[] faults = new FaultyCopies[1];
        try (RunningServer server = new RunningServer(
                RunningServer.withExecutor(executor -> faults[0] = new FaultyCopies(executor, 0.06)),
                "--sluice.kv.blocks=40",
                "--sluice.offload.host-memory=12MB",
                "--sluice.offload.prompt-only=false",
                "--sluice.offload.breaker.failure-rate=100")) {
            List<Seen> seen = storm(server);
            RunningServer.await(() ->
                    server.bean(ContinuousBatchingScheduler.class).snapshot().blocksUsed() == 0);
            RunningServer.await(() -> connector(server).snapshot().openJobs() == 0);

            assertThat(seen).hasSize(CALLS);
            assertThat(seen)
                    .filteredOn(Seen::complete)
                    .allSatisfy(call -> assertThat(call.text()).isEqualTo(alone.get(call.kind())));
            assertThat(seen)
                    .filteredOn(call -> !call.complete())
                    .allSatisfy(call -> assertThat(alone.get(call.kind())).startsWith(call.text()));
            reconcile(server, seen);

            assertThat(server.metric("vllm:num_preemptions_total", "")).isGreaterThan(100);
            assertThat(server.metric("sluice_kv_failed_loads_total", "")).isPositive();
            assertThat(server.metric("sluice_kv_recomputed_tokens_total", "")).isPositive();
            assertThat(faults[0].flipped()).isPositive();
            assertThat(faults[0].failed()).isPositive();
            assertThat(connector(server).snapshot().tier("host").pinned()).isZero();
        }
    }

    /** Each source, as the clients were told it and as Prometheus counts it. */
    private static void reconcile(RunningServer server, List<Seen> seen) {
        long prompts = sum(seen, "/prompt_tokens");
        long device = sum(seen, "/prompt_tokens_details/cached_tokens_details/device");
        long host = sum(seen, "/prompt_tokens_details/cached_tokens_details/host");
        assertThat(sum(seen, "/prompt_tokens_details/cached_tokens")).isEqualTo(device + host);
        assertThat(host).isPositive();
        assertThat(server.metric("vllm:prompt_tokens_total", "")).isEqualTo(prompts);
        assertThat(source(server, "local_cache_hit")).isEqualTo(device);
        assertThat(source(server, "external_kv_transfer")).isEqualTo(host);
        assertThat(source(server, "local_compute")).isEqualTo(prompts - device - host);
        long complete = seen.stream().filter(Seen::complete).count();
        double ended = server.metric("vllm:request_success_total", "length");
        assertThat(ended).isBetween((double) complete, CALLS - 1.0); // a few are done before the hang-up is seen
        assertThat(server.metric("vllm:request_success_total", "abort")).isEqualTo(CALLS - ended);
    }

    private static double source(RunningServer server, String source) {
        return server.metric("vllm:prompt_tokens_by_source_total", "source=\"" + source + "\"");
    }

    private static long sum(List<Seen> seen, String pointer) {
        return seen.stream().mapToLong(call -> call.count(pointer)).sum();
    }

    private static HostMemoryConnector connector(RunningServer server) {
        return (HostMemoryConnector) server.bean(KvConnector.class);
    }

    private static List<String> answersAlone() throws Exception {
        List<String> answers = new ArrayList<>();
        try (RunningServer server = new RunningServer("--sluice.kv.prefix-caching=false")) {
            for (int kind = 0; kind < TOPICS * QUESTIONS; kind++) {
                answers.add(ask(server, new Call(kind, false)).text());
            }
        }
        return answers;
    }

    private static List<Seen> storm(RunningServer server) throws Exception {
        Random random = new Random(7);
        List<Callable<Seen>> calls = new ArrayList<>();
        for (int i = 0; i < CALLS; i++) {
            Call call = new Call(random.nextInt(TOPICS * QUESTIONS), random.nextInt(5) == 0);
            calls.add(() -> ask(server, call));
        }
        List<Seen> seen = new ArrayList<>();
        try (ExecutorService clients = Executors.newFixedThreadPool(CLIENTS)) {
            for (Future<Seen> answer : clients.invokeAll(calls)) {
                seen.add(answer.get());
            }
        }
        return seen;
    }

    /** Prompts of one topic share a long beginning. */
    private static String body(int kind) {
        int topic = kind % TOPICS;
        int question = kind / TOPICS;
        String system = ("You know all about topic number " + topic + ". ").repeat(4 + 2 * topic);
        String user =
                "Tell me fact number " + question + (question % 2 == 0 ? " please." : " and nothing else at all.");
        return JsonMapper.shared()
                .writeValueAsString(Map.of(
                        "messages",
                        List.of(Map.of("role", "system", "content", system), Map.of("role", "user", "content", user)),
                        "temperature",
                        0,
                        "min_tokens",
                        40 + question * 8,
                        "max_tokens",
                        40 + question * 8,
                        "stream",
                        true,
                        "stream_options",
                        Map.of("continuous_usage_stats", true)));
    }

    private static Seen ask(RunningServer server, Call call) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create(server.base + "/v1/chat/completions"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body(call.kind())))
                .build();
        HttpResponse<InputStream> response = server.client().send(request, HttpResponse.BodyHandlers.ofInputStream());
        assertThat(response.statusCode()).isEqualTo(200);
        StringBuilder text = new StringBuilder();
        JsonNode usage = null;
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine();
                    line != null && !line.equals("data: [DONE]");
                    line = lines.readLine()) {
                if (!line.startsWith("data: ")) {
                    continue;
                }
                JsonNode chunk = JsonMapper.shared().readTree(line.substring("data: ".length()));
                assertThat(chunk.has("error")).as(line).isFalse();
                text.append(chunk.at("/choices/0/delta/content").asString(""));
                if (chunk.at("/usage/completion_tokens").asInt(0) > 0) {
                    usage = chunk.get("usage");
                    if (call.hangsUp()) {
                        return new Seen(call.kind(), false, text.toString(), usage);
                    }
                }
            }
        }
        return new Seen(call.kind(), true, text.toString(), usage);
    }
}
