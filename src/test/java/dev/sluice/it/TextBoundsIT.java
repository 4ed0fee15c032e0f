package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.runtime.FairPool;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The text of a call is bounded before it is worked on, on every route, and so is what waits for that. */
class TextBoundsIT {

    private static final String COMPLETIONS = "/v1/completions";
    private static final String CHAT = "/v1/chat/completions";

    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer(
                "--sluice.executor.type=simulator",
                "--sluice.tokenizer.threads=2",
                "--sluice.tokenizer.queue=8",
                "--sluice.tokenizer.queue-memory=16MB",
                "--sluice.tokenizer.max-text=200KB",
                "--sluice.tokenizer.max-tokens=10000",
                "--sluice.tokenizer.timeout=20s");
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static String repeated(String text, int count) {
        return String.join(",", Collections.nCopies(count, text));
    }

    private static String a(int count) {
        return "\"" + "a".repeat(count) + "\"";
    }

    private static void assertRefused(String path, String body, String param, String... words) {
        HttpResponse<String> answer = server.post(path, body);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(400);
        assertThat(RunningServer.json(answer.body()).at("/error/param").asString())
                .isEqualTo(param);
        for (String word : words) {
            assertThat(answer.body()).contains(word);
        }
    }

    @Test
    void noRouteWorksOnMoreTextThanACallMayHave() {
        String[] rule = {"may have at most 204800 bytes of text in one call, but has"};
        assertRefused("/tokenize", "{\"prompt\":" + a(8_300_000) + "}", "prompt", rule);
        assertRefused("/tokenize", "{\"content\":" + a(204_801) + "}", "content", rule);
        assertRefused("/tokenize", "{\"prompt\":\"Hi\",\"content\":" + a(204_801) + "}", "content", rule);
        assertRefused(COMPLETIONS, "{\"prompt\":[" + repeated(a(60_000), 4) + "]}", "prompt", rule);
        String user = "{\"role\":\"user\",\"content\":\"Hi\",\"name\":" + a(110_000) + "}";
        assertRefused(CHAT, "{\"messages\":[" + user + "," + user + "]}", "messages", rule);
        assertRefused("/tokenize", "{\"messages\":[" + user + "," + user + "]}", "messages", rule);
        String reasoning = "{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":" + a(204_801) + "}";
        assertRefused(CHAT, "{\"messages\":[" + reasoning + "]}", "messages", rule);
        String kwargs = "\"chat_template_kwargs\":{\"x\":[{\"y\":" + a(204_801) + "}]}";
        assertRefused(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]," + kwargs + "}", "messages", rule);
        assertRefused(COMPLETIONS, "{\"prompt\":[" + repeated(a(60_000), 4) + "],\"echo\":true}", "prompt", rule);
    }

    @Test
    void noRouteTakesMoreTokensThanACallMayHave() {
        String rule = "may have at most 10000 tokens in one call, but has";
        assertRefused("/detokenize", "{\"tokens\":[" + repeated("67", 10_001) + "]}", "tokens", rule);
        String ids = "[" + repeated("67", 5_001) + "]";
        assertRefused(COMPLETIONS, "{\"prompt\":[" + ids + "," + ids + "]}", "prompt", rule);
        assertRefused("/tokenize", "{\"prompt\":" + a(100_000) + "}", "prompt", rule);
        assertThat(server.post("/detokenize", "{\"tokens\":[" + repeated("67", 10_000) + "]}")
                        .statusCode())
                .isEqualTo(200);
    }

    @Test
    void echoedTextCountsForEachChoice() {
        String ids = server.post("/tokenize", "{\"prompt\":\"" + " ".repeat(16) + "\"}")
                .body();
        String space = RunningServer.json(ids).at("/tokens/0").asString();
        String body = "{\"prompt\":[" + repeated(space, 1000) + "],\"echo\":true,\"max_tokens\":1,\"n\":";
        assertRefused(COMPLETIONS, body + "16}", "echo", "may have at most 204800 bytes of text in one call");
        assertThat(server.post(COMPLETIONS, body + "12}").statusCode()).isEqualTo(200);
    }

    @ParameterizedTest
    @CsvSource(quoteCharacter = '~', delimiter = '!', textBlock = """
                    {"prompt":"Hi","content":1} ! content
                    {"prompt":[],"content":"Hi"} ! prompt
                    {"prompt":"Hi","add_special":1} ! add_special
                    {"messages":[{"role":"user","content":"Hi"}],"prompt":1} ! prompt
                    """)
    void whatDoesNotWinMustBeValidAsWell(String body, String param) {
        assertRefused("/tokenize", body, param);
    }

    /** Occupies all threads that read bodies, until the latch is down. */
    private static CountDownLatch occupied() throws InterruptedException {
        CountDownLatch release = new CountDownLatch(1);
        CountDownLatch begun = new CountDownLatch(2);
        for (boolean lengthy : new boolean[] {true, false}) {
            server.bean(FairPool.class).submit("test", lengthy, () -> {
                begun.countDown();
                try {
                    release.await(60, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
        }
        assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
        return release;
    }

    private static CompletableFuture<HttpResponse<String>> later(String path, String body, String... headers) {
        return CompletableFuture.supplyAsync(() -> server.post(path, body, headers), Thread::startVirtualThread);
    }

    private static int queued() {
        return server.bean(FairPool.class).queued();
    }

    private static void assertTurnedAway(HttpResponse<String> answer, int status, String reason) {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(status);
        assertThat(answer.headers().firstValue("Retry-After")).hasValue("1");
        assertThat(server.metric("sluice_unread_calls_rejected_total", "reason=\"" + reason + "\""))
                .isPositive();
    }

    @Test
    void bodiesThatWaitAreBoundedInNumber() throws Exception {
        CountDownLatch release = occupied();
        List<CompletableFuture<HttpResponse<String>>> waiting = new java.util.ArrayList<>();
        for (int i = 0; i < 4; i++) {
            waiting.add(later("/tokenize", "{\"prompt\":\"Hi\"}"));
        }
        RunningServer.await(() -> queued() == 4);
        assertTurnedAway(server.post("/tokenize", "{\"prompt\":\"Hi\"}"), 429, "queue_full");
        release.countDown();
        for (CompletableFuture<HttpResponse<String>> answer : waiting) {
            assertThat(answer.join().statusCode()).isEqualTo(200);
        }
    }

    @Test
    void bodiesThatWaitAreBoundedInBytes() throws Exception {
        CountDownLatch release = occupied();
        String large = "{\"prompt\":" + a(5_000_000) + "}";
        CompletableFuture<HttpResponse<String>> first = later("/tokenize", large);
        RunningServer.await(() -> queued() == 1);
        assertTurnedAway(server.post("/tokenize", large), 429, "memory_full");
        assertThat(server.metric("sluice_unread_bytes")).isEqualTo(large.length());
        release.countDown();
        assertThat(first.join().statusCode()).isEqualTo(400);
        RunningServer.await(() -> server.metric("sluice_unread_bytes") == 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/tokenize", COMPLETIONS})
    void aCallWhoseTimeHasPassedIsNotBegun(String path) throws Exception {
        CountDownLatch release = occupied();
        HttpResponse<String> answer =
                server.post(path, "{\"prompt\":\"Hi\",\"max_tokens\":1}", "X-Request-Timeout-Ms", "100");
        assertTurnedAway(answer, 503, "too_late");
        assertThat(queued()).isZero();
        assertThat(server.metric("sluice_unread_bytes")).isZero();
        release.countDown();
    }

    @Test
    void nothingIsDoneForACallerWhoHasLeft() throws Exception {
        CountDownLatch release = occupied();
        try (Socket socket = RawHttp.connect(server.base)) {
            socket.getOutputStream()
                    .write(RawHttp.post("", "{\"prompt\":\"Hi\"}").getBytes(StandardCharsets.ISO_8859_1));
            RunningServer.await(() -> queued() == 1);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        RunningServer.await(() -> queued() == 0);
        RunningServer.await(() -> server.metric("sluice_unread_bytes") == 0);
        release.countDown();
    }

    @Test
    void shortPromptsDoNotWaitForLengthyOnes() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        CountDownLatch begun = new CountDownLatch(1);
        server.bean(FairPool.class).submit("test", true, () -> {
            begun.countDown();
            try {
                release.await(60, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
        CompletableFuture<HttpResponse<String>> lengthy = later("/tokenize", "{\"prompt\":" + a(70_000) + "}");
        RunningServer.await(() -> queued() == 1);
        assertThat(server.post(COMPLETIONS, "{\"prompt\":\"Hi\",\"max_tokens\":1}")
                        .statusCode())
                .isEqualTo(200);
        assertThat(lengthy).isNotDone();
        release.countDown();
        assertThat(lengthy.join().statusCode()).isEqualTo(400); // more tokens than a call may have
    }
}
