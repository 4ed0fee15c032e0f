package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The endpoint that forgets cached prompts, over HTTP. */
class PrefixCacheResetIT {

    private static final String PATH = "/reset_prefix_cache";
    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer(
                "--sluice.executor.type=simulator",
                "--sluice.executor.simulator.step-time=5ms",
                "--sluice.api.reset-prefix-cache=true");
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static String body(String prompt, int tokens) {
        return "{\"prompt\":\"" + prompt.repeat(100) + "\",\"max_tokens\":" + tokens + ",\"ignore_eos\":true}";
    }

    private static int cached(String prompt) {
        HttpResponse<String> answer = server.post("/v1/completions", body(prompt, 1));
        assertThat(answer.statusCode()).isEqualTo(200);
        return RunningServer.json(answer.body())
                .at("/usage/prompt_tokens_details/cached_tokens")
                .intValue();
    }

    private static String text(String prompt) {
        HttpResponse<String> answer = server.post("/v1/completions", body(prompt, 100));
        assertThat(answer.statusCode()).isEqualTo(200);
        return RunningServer.json(answer.body()).at("/choices/0/text").asString();
    }

    private static HttpResponse<String> reset(String query) {
        return server.post(PATH + query, "");
    }

    private static HttpResponse<String> send(String method, String path) {
        return server.send(HttpRequest.newBuilder(URI.create(server.base + path))
                .method(method, HttpRequest.BodyPublishers.noBody())
                .build());
    }

    @Test
    void whatWasCachedIsComputedAgain() {
        assertThat(cached("the sea ")).isZero();
        assertThat(cached("the sea ")).isPositive();
        HttpResponse<String> done = reset("?reset_external=true");
        assertThat(done.statusCode()).as(done.body()).isEqualTo(200);
        assertThat(done.body()).isEmpty();
        assertThat(cached("the sea ")).isZero();
    }

    @Test
    void runningRequestsAreAConflictOrAreComputedAnewAndAnswerTheSame() {
        String alone = text("the sun ");
        AtomicBoolean stop = new AtomicBoolean();
        CompletableFuture<List<String>> running = CompletableFuture.supplyAsync(() -> {
            List<String> texts = new ArrayList<>();
            while (!stop.get()) {
                texts.add(text("the sun "));
            }
            return texts;
        });
        RunningServer.await(() -> {
            HttpResponse<String> answer = reset("");
            boolean conflict = answer.statusCode() == 409;
            assertThat(conflict || answer.statusCode() == 200).isTrue();
            assertThat(answer.body()).contains(conflict ? "prefix_cache_in_use" : "");
            return conflict;
        });
        RunningServer.await(() -> {
            assertThat(reset("?reset_running_requests=true").statusCode()).isEqualTo(200);
            return server.metric("vllm:num_preemptions_total", "") > 0;
        });
        stop.set(true);
        assertThat(running.join()).isNotEmpty().containsOnly(alone);
    }

    @ParameterizedTest
    @CsvSource({"reset_external, maybe", "reset_running_requests, 2", "reset_running_requests, ''"})
    void aFlagIsTrueOrFalse(String name, String value) {
        HttpResponse<String> answer = reset("?" + name + "=" + value);
        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(RunningServer.json(answer.body()).at("/error/param").asString())
                .isEqualTo(name);
        assertThat(RunningServer.json(answer.body()).at("/error/message").asString())
                .isEqualTo(name + " must be true or false");
    }

    @Test
    void otherMethodsAreToldWhichOneThereIs() {
        assertThat(send("GET", PATH).statusCode()).isEqualTo(405);
        assertThat(send("GET", PATH).headers().firstValue("Allow")).contains("POST");
        assertThat(send("OPTIONS", PATH).statusCode()).isEqualTo(204);
    }

    @Test
    void withoutTheSettingThereIsNothingAtThatPath() {
        try (RunningServer plain = new RunningServer("--sluice.executor.type=simulator")) {
            assertThat(plain.post(PATH, "").statusCode()).isEqualTo(404);
        }
    }
}
