package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.SluiceApplication;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Answers that are large, many at a time, or not read, against a server with a heap of 256 MB: 64 MB for all answers in
 * progress, 8 MB for one.
 */
class WholeAnswerIT {

    private static final String CHAT = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0,"
            + "\"ignore_eos\":true,\"skip_special_tokens\":false";

    @TempDir
    private static Path directory;

    private static ServerProcess server;

    @BeforeAll
    static void start() throws Exception {
        server = ServerProcess.ofTests(
                SluiceApplication.class,
                directory,
                List.of("-Xmx256m"),
                "--sluice.executor.type=simulator",
                "--sluice.kv.memory=4GB",
                "--sluice.api.write-timeout=2s",
                "--logging.level.root=warn");
        server.awaitReady();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @AfterEach
    void nothingIsHeldAndTheNextCallIsServed() throws Exception {
        RunningServer.await(() -> server.gauge("sluice_answer_memory_bytes") == 0);
        RunningServer.await(() -> server.gauge("sluice_admitted_sequences") == 0);
        assertThat(answer(CHAT + ",\"max_tokens\":5}").statusCode()).isEqualTo(200);
        assertThat(server.log()).doesNotContain("OutOfMemoryError");
    }

    private static CompletableFuture<HttpResponse<String>> post(String body) {
        return server.post("/v1/chat/completions", body);
    }

    private static HttpResponse<String> answer(String body) throws Exception {
        return post(body).get(60, TimeUnit.SECONDS);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            "n":16,"max_tokens":12000,"logprobs":true,"top_logprobs":20 | max_tokens            | (12000) times 16 choices times 21 (top_logprobs + 1) may be at most 16384 in an answer that is not streamed, but is 4032000
            "max_tokens":781,"logprobs":true,"top_logprobs":20          | max_tokens            | (781) times 1 choices times 21 (top_logprobs + 1) may be at most 16384 in an answer that is not streamed, but is 16401
            "max_completion_tokens":16385,"logprobs":true               | max_completion_tokens | (16385) times 1 choices times 1 (top_logprobs + 1) may be at most 16384 in an answer that is not streamed, but is 16385
            "n":16,"max_tokens":8193                                    | max_tokens            | (8193) times 16 choices may be at most 131072 in an answer that is not streamed, but is 131088
            """)
    void whatWouldBeTooLargeIsRefusedByItsNumbersAlone(String fields, String param, String rule) throws Exception {
        HttpResponse<String> answer = answer(CHAT + "," + fields + "}");
        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(answer.body()).contains("\"param\":\"" + param + "\"", param + " " + rule);
    }

    @Test
    void theLargestThatIsAllowedIsAnsweredAndOneThatIsStreamedMayBeLarger() throws Exception {
        String scored = ",\"logprobs\":true,\"top_logprobs\":20";
        assertThat(answer(CHAT + ",\"max_tokens\":780" + scored + "}").body())
                .contains("\"completion_tokens\":780", "\"finish_reason\":\"length\"");
        assertThat(answer(CHAT + ",\"max_tokens\":2000,\"stream\":true,\"stream_options\":{\"include_usage\":true}"
                                + scored + "}")
                        .body())
                .contains("\"completion_tokens\":2000")
                .endsWith("data: [DONE]\n\n");
    }

    @Test
    void aCallWithoutALimitGetsOneThatFits() throws Exception {
        assertThat(answer(CHAT + ",\"logprobs\":true,\"top_logprobs\":20}").body())
                .contains("\"completion_tokens\":780", "\"finish_reason\":\"length\"");
        List<CompletableFuture<HttpResponse<String>>> ordinary = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            ordinary.add(post("{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"stop\":[\"e\",\"a\",\"i\"]}"));
        }
        for (CompletableFuture<HttpResponse<String>> call : ordinary) {
            assertThat(call.get(60, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
        }
    }

    @Test
    void manyAtATimeFitOrAreRefused() throws Exception {
        List<CompletableFuture<HttpResponse<String>>> large = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            large.add(post(CHAT.replace(":0", ":1") + ",\"seed\":" + i
                    + ",\"n\":2,\"max_tokens\":390,\"logprobs\":true,\"top_logprobs\":20}"));
        }
        int refused = 0;
        for (CompletableFuture<HttpResponse<String>> call : large) {
            HttpResponse<String> answer = call.get(60, TimeUnit.SECONDS);
            if (answer.statusCode() == 429) {
                refused++;
                assertThat(answer.headers().firstValue("Retry-After")).isPresent();
                assertThat(answer.body()).contains("rate_limit_error", "take all the memory");
            } else {
                assertThat(answer.body()).contains("\"completion_tokens\":780");
            }
        }
        assertThat(refused).isBetween(1, 52); // eight fit at once
        assertThat(server.metric("sluice_requests_rejected_total", "answers_too_large"))
                .isEqualTo(refused);
    }

    @Test
    void answersOfTheTokenizerThatNobodyReadsCountAsWell() throws Exception {
        String body =
                "{\"tokens\":[192" + ",192".repeat(999_999) + "]}"; // a million control characters: 6 MB of escapes
        List<Socket> sockets = new ArrayList<>();
        boolean counted = false;
        for (int i = 0; i < 60 && !counted; i++) {
            Socket socket = new Socket();
            socket.setReceiveBufferSize(4096);
            socket.connect(
                    new InetSocketAddress("localhost", URI.create(server.base).getPort()));
            socket.getOutputStream()
                    .write(RawHttp.post("", body)
                            .replace("/v1/completions", "/detokenize")
                            .getBytes(StandardCharsets.US_ASCII));
            String status = new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
            assertThat(status).isIn("HTTP/1.1 200", "HTTP/1.1 429");
            sockets.add(socket);
            counted = server.gauge("sluice_answer_memory_bytes") >= 6_000_000;
        }
        assertThat(counted).isTrue();
        RunningServer.await(() -> server.gauge("sluice_answer_memory_bytes") == 0); // nobody has read them
        for (Socket socket : sockets) {
            socket.close();
        }
    }

    @Test
    void streamsThatNobodyReadsFillNoHeap() throws Exception {
        String body = CHAT + ",\"n\":16,\"max_tokens\":12000,\"logprobs\":true,\"top_logprobs\":20,\"stream\":true,"
                + "\"logit_bias\":{\"1\":100}}"; // a token without text: nothing is sent for a long time
        List<Socket> sockets = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            Socket socket = new Socket();
            socket.setReceiveBufferSize(4096);
            socket.connect(
                    new InetSocketAddress("localhost", URI.create(server.base).getPort()));
            String sent = i % 2 == 0 ? body : body.replace("\"1\":100", "");
            socket.getOutputStream()
                    .write(RawHttp.post("", sent)
                            .replace("/v1/completions", "/v1/chat/completions")
                            .getBytes(StandardCharsets.US_ASCII));
            sockets.add(socket);
        }
        RunningServer.await(() -> server.gauge("sluice_answer_memory_bytes") > 20 << 20);
        assertThat(answer(CHAT + ",\"max_tokens\":100}").statusCode()).isIn(200, 429);
        RunningServer.await(() -> server.gauge("sluice_admitted_sequences") == 0);
        for (Socket socket : sockets) {
            socket.close();
        }
    }
}
