package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** What a client sees: answers, streams, errors, and books that balance afterwards. */
class ServingIT {

    private static final String FRANCE =
            "\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of France?\"}],\"temperature\":0";

    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @AfterEach
    void theBooksBalance() {
        RunningServer.await(
                () -> server.bean(ContinuousBatchingScheduler.class).snapshot().blocksUsed() == 0);
        RunningServer.await(() -> server.bean(AdmissionControl.class).sequences() == 0);
        String page = server.get("/metrics").body();
        assertThat(page).contains("vllm:prompt_tokens_total");
        server.checkThatSourcesAddUp();
    }

    @Test
    void theCapitalOfFranceIsParis() {
        JsonNode answer = RunningServer.json(
                server.post("/v1/chat/completions", "{" + FRANCE + "}").body());
        assertThat(answer.at("/choices/0/message/content").asString()).isEqualTo("The capital of France is Paris.");
        assertThat(answer.at("/choices/0/finish_reason").asString()).isEqualTo("stop");
        assertThat(answer.at("/usage/prompt_tokens").intValue()).isEqualTo(33);
        assertThat(answer.at("/usage/total_tokens").intValue()).isEqualTo(44);
        assertThat(answer.at("/object").asString()).isEqualTo("chat.completion");
    }

    @Test
    void theSecondTimeThePromptComesFromTheCache() {
        String salted = "{" + FRANCE + ",\"cache_salt\":\"once\"}";
        assertThat(cached(salted)).isZero();
        assertThat(cached(salted)).isEqualTo(32);
        assertThat(cached("{" + FRANCE + ",\"cache_salt\":\"another\"}")).isZero();
    }

    private static int cached(String body) {
        return RunningServer.json(server.post("/v1/chat/completions", body).body())
                .at("/usage/prompt_tokens_details/cached_tokens")
                .intValue();
    }

    @Test
    void aStreamIsFramedAsClientsExpect() {
        String body = server.post(
                        "/v1/chat/completions",
                        "{" + FRANCE + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
                .body();
        String[] events = body.split("\n\n");
        assertThat(events).allMatch(event -> event.startsWith("data: "));
        assertThat(events[events.length - 1]).isEqualTo("data: [DONE]");
        List<JsonNode> chunks = new ArrayList<>();
        for (int i = 0; i < events.length - 1; i++) {
            chunks.add(RunningServer.json(events[i].substring(6)));
        }
        assertThat(chunks.getFirst().at("/choices/0/delta/role").asString()).isEqualTo("assistant");
        StringBuilder text = new StringBuilder();
        chunks.forEach(chunk -> text.append(chunk.at("/choices/0/delta/content").asString("")));
        assertThat(text.toString()).isEqualTo("The capital of France is Paris.");
        JsonNode finish = chunks.get(chunks.size() - 2);
        assertThat(finish.at("/choices/0/finish_reason").asString()).isEqualTo("stop");
        assertThat(finish.at("/choices/0/delta").isEmpty()).isTrue();
        JsonNode usage = chunks.getLast();
        assertThat(usage.at("/choices").isEmpty()).isTrue();
        assertThat(usage.at("/usage/completion_tokens").intValue()).isEqualTo(11);
        assertThat(body).doesNotContain("\"error\"");
    }

    @Test
    void everyChoiceBeginsBeforeAnyEnds() {
        String body = server.post(
                        "/v1/chat/completions",
                        "{" + FRANCE.replace("\"temperature\":0", "\"temperature\":1")
                                + ",\"n\":3,\"seed\":5,\"max_tokens\":8,\"stream\":true}")
                .body();
        int lastRole = body.lastIndexOf("\"role\":\"assistant\"");
        int firstFinish = body.indexOf("\"finish_reason\":\"");
        assertThat(lastRole).isPositive().isLessThan(firstFinish);
        assertThat(body.split("\"role\":\"assistant\"", -1)).hasSize(4);
    }

    @Test
    void stopStringsAreCutExactly() {
        JsonNode answer =
                RunningServer.json(server.post("/v1/chat/completions", "{" + FRANCE + ",\"stop\":[\"France is\"]}")
                        .body());
        assertThat(answer.at("/choices/0/message/content").asString()).isEqualTo("The capital of ");
        assertThat(answer.at("/choices/0/finish_reason").asString()).isEqualTo("stop");
        assertThat(answer.at("/choices/0/stop_reason").asString()).isEqualTo("France is");
    }

    @Test
    void completionsCountEveryPromptAndNumberTheirChoices() {
        JsonNode answer = RunningServer.json(server.post(
                        "/completions",
                        "{\"prompt\":[\"Once upon a time\",\"The sun\"],\"n\":2,\"max_tokens\":3,\"temperature\":0,"
                                + "\"echo\":true,\"ignore_eos\":true}")
                .body());
        assertThat(answer.at("/choices").size()).isEqualTo(4);
        assertThat(answer.at("/choices/2/index").intValue()).isEqualTo(2);
        assertThat(answer.at("/choices/3/text").asString()).startsWith("The sun");
        assertThat(answer.at("/usage/completion_tokens").intValue()).isEqualTo(12);
        assertThat(answer.at("/choices/0/finish_reason").asString()).isEqualTo("length");
    }

    @Test
    void logprobsAreThoseOfTheModel() {
        JsonNode answer = RunningServer.json(
                server.post("/v1/chat/completions", "{" + FRANCE + ",\"logprobs\":true,\"top_logprobs\":2}")
                        .body());
        JsonNode first = answer.at("/choices/0/logprobs/content/0");
        assertThat(first.at("/token").asString()).isEqualTo("The");
        assertThat(first.at("/logprob").doubleValue()).isBetween(-0.2, -0.1); // 17.6323 - 17.7981 in the golden file
        assertThat(first.at("/top_logprobs").size()).isEqualTo(2);
        assertThat(answer.at("/choices/0/logprobs/content").size()).isEqualTo(11);
    }

    @Test
    void textSurvivesTokenizingAndBack() {
        JsonNode ids = RunningServer.json(server.post("/tokenize", "{\"prompt\":\"Hello <|im_end|> 你好 😀\"}")
                .body());
        assertThat(ids.at("/count").intValue()).isEqualTo(ids.at("/tokens").size());
        String back = server.post("/v1/detokenize", "{\"tokens\":" + ids.at("/tokens") + "}")
                .body();
        assertThat(RunningServer.json(back).at("/prompt").asString()).isEqualTo("Hello <|im_end|> 你好 😀");
    }

    @Test
    void statusPagesAnswer() {
        assertThat(RunningServer.json(server.get("/v1/models").body())
                        .at("/data/0/id")
                        .asString())
                .isEqualTo("minimind2-small");
        assertThat(server.get("/v1/models/minimind2-small").statusCode()).isEqualTo(200);
        assertThat(server.get("/v1/models/some/other").statusCode()).isEqualTo(404);
        for (String path : List.of("/health", "/health/ready", "/livez", "/readyz", "/ping", "/version", "/load")) {
            assertThat(server.get(path).statusCode()).as(path).isEqualTo(200);
        }
        assertThat(server.getAt(server.management + "/actuator/prometheus").body())
                .contains("vllm:num_requests_running");
        assertThat(server.getAt(server.management + "/actuator/env").statusCode())
                .isEqualTo(404);
        assertThat(server.get("/actuator/health").statusCode()).isEqualTo(404);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "{\"n\":0} | n",
                "{\"n\":1000000000000000000} | n",
                "{\"n\":1.0} | n",
                "{\"best_of\":3} | best_of",
                "{\"max_tokens\":0} | max_tokens",
                "{\"max_tokens\":-1} | max_tokens",
                "{\"max_tokens\":9223372036854775808} | max_tokens",
                "{\"max_tokens\":\"1\"} | max_tokens",
                "{\"max_completion_tokens\":2,\"max_tokens\":\"1\"} | max_tokens",
                "{\"max_completion_tokens\":2,\"max_tokens\":0} | max_tokens",
                "{\"max_completion_tokens\":0,\"max_tokens\":2} | max_completion_tokens",
                "{\"messages\":[{\"role\":\"assistant\",\"reasoning_content\":\"x\",\"reasoning\":7}]} | messages[0].reasoning",
                "{\"min_tokens\":9,\"max_tokens\":8} | min_tokens",
                "{\"stop_token_ids\":[-1]} | stop_token_ids",
                "{\"stop_token_ids\":[6400],\"min_tokens\":1} | stop_token_ids",
                "{\"logprobs\":true,\"top_logprobs\":21} | top_logprobs",
                "{\"top_logprobs\":2} | top_logprobs",
                "{\"stop\":\"\"} | stop",
                "{\"stop\":[null]} | stop",
                "{\"stop\":[[\"a\"]]} | stop",
                "{\"temperature\":-0.1} | temperature",
                "{\"temperature\":2.1} | temperature",
                "{\"temperature\":1e400} | temperature",
                "{\"top_p\":0} | top_p",
                "{\"top_p\":1.01} | top_p",
                "{\"top_k\":-2} | top_k",
                "{\"min_p\":1.5} | min_p",
                "{\"presence_penalty\":2.01} | presence_penalty",
                "{\"frequency_penalty\":-2.01} | frequency_penalty",
                "{\"repetition_penalty\":0} | repetition_penalty",
                "{\"logit_bias\":{\"-1\":1}} | logit_bias",
                "{\"logit_bias\":{\"6400\":1}} | logit_bias",
                "{\"logit_bias\":{\"5\":101}} | logit_bias",
                "{\"logit_bias\":{\"abc\":1}} | logit_bias",
                "{\"seed\":9223372036854775808} | seed",
                "{\"seed\":1.5} | seed",
                "{\"stream_options\":{\"include_usage\":true}} | stream_options",
                "{\"stream\":\"yes\"} | stream",
                "{\"cache_salt\":\"\"} | cache_salt",
                "{\"cache_salt\":7} | cache_salt",
                "{\"messages\":[]} | messages",
                "{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]} | messages[0].role",
                "{\"messages\":[{\"role\":\"user\"}]} | messages[0].content",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]} | messages[0].content",
                "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]} | messages[0].content[0]",
                "{\"tools\":[{\"type\":\"function\"}]} | tools",
                "{\"tool_choice\":\"required\"} | tool_choice",
                "{\"response_format\":{\"type\":\"json_object\"}} | response_format",
                "{\"guided_regex\":\"a\"} | guided_regex",
                "{\"chat_template\":\"x\"} | chat_template",
                "{\"max_tokens\":100000} | max_tokens",
                "{\"max_completion_tokens\":100000,\"max_tokens\":1} | max_completion_tokens"
            })
    void aBadFieldIsNamed(String change, String param) {
        String body = change.startsWith("{\"messages\"") ? change : "{" + FRANCE + "," + change.substring(1);
        if (change.startsWith("{\"temperature\"")) {
            body = body.replaceFirst(",\"temperature\":0,", ",");
        }
        HttpResponse<String> answer = server.post("/v1/chat/completions", body);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(400);
        JsonNode error = RunningServer.json(answer.body()).at("/error");
        assertThat(error.at("/param").asString("")).as(answer.body()).isEqualTo(param);
        assertThat(error.at("/type").asString()).isEqualTo("invalid_request_error");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "{\"prompt\":\"\"}",
                "{\"prompt\":[]}",
                "{\"prompt\":[\"\"]}",
                "{\"prompt\":[[]]}",
                "{\"prompt\":[\"a\",[1]]}",
                "{\"prompt\":[-1]}",
                "{\"prompt\":[6400]}",
                "{\"prompt\":[1.5]}",
                "{}"
            })
    void aBadPromptIsRefused(String body) {
        HttpResponse<String> answer = server.post("/v1/completions", body);
        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(RunningServer.json(answer.body()).at("/error/param").asString())
                .isEqualTo("prompt");
    }

    @Test
    void brokenJsonIsRefusedWhateverItsShape() {
        String valid = "{" + FRANCE + "}";
        List<String> bodies = new ArrayList<>(List.of(
                "",
                "   ",
                "[".repeat(100_000),
                "{\"a\":".repeat(100_000),
                "{" + FRANCE + ",\"max_tokens\":1,\"max_tokens\":2}",
                valid + "x",
                "[]",
                "\"text\"",
                "true",
                "null",
                "{" + FRANCE + ",\"max_tokens\":" + "9".repeat(100_000) + "}",
                "{" + FRANCE + ",\"" + "n".repeat(1 << 20) + "\":1}",
                "{" + FRANCE + ",}",
                "{'messages':[]}",
                "{" + FRANCE + ",\"temperature2\":NaN}"));
        for (int i = 1; i < valid.length(); i += 7) {
            bodies.add(valid.substring(0, i));
        }
        for (String body : bodies) {
            HttpResponse<String> answer = server.post("/v1/chat/completions", body);
            assertThat(answer.statusCode())
                    .as(body.substring(0, Math.min(80, body.length())))
                    .isEqualTo(400);
            assertThat(RunningServer.json(answer.body()).at("/error/message").isString())
                    .isTrue();
        }
    }

    @Test
    void transportErrorsHaveTheSameShape() {
        assertThat(server.get("/nothing/here").statusCode()).isEqualTo(404);
        HttpResponse<String> method = server.get("/v1/chat/completions");
        assertThat(method.statusCode()).isEqualTo(405);
        assertThat(method.headers().firstValue("Allow")).contains("POST");
        HttpResponse<String> type =
                server.send(java.net.http.HttpRequest.newBuilder(URI.create(server.base + "/v1/chat/completions"))
                        .header("Content-Type", "text/plain")
                        .POST(java.net.http.HttpRequest.BodyPublishers.ofString("{" + FRANCE + "}"))
                        .build());
        assertThat(type.statusCode()).isEqualTo(415);
        HttpResponse<String> large = server.post("/v1/chat/completions", "x".repeat(9 << 20));
        assertThat(large.statusCode()).isEqualTo(413);
        HttpResponse<String> gzip = server.post("/v1/chat/completions", "{" + FRANCE + "}", "Content-Encoding", "gzip");
        assertThat(gzip.statusCode()).isEqualTo(415);
        HttpResponse<String> model =
                server.post("/v1/chat/completions", "{" + FRANCE + ",\"model\":\"../../etc/passwd\"}");
        assertThat(model.statusCode()).isEqualTo(404);
        for (HttpResponse<String> answer : List.of(method, type, large, gzip, model)) {
            JsonNode error = RunningServer.json(answer.body()).at("/error");
            assertThat(error.has("param") && error.has("code") && error.has("type"))
                    .isTrue();
            assertThat(answer.headers().firstValue("x-request-id")).isPresent();
        }
    }

    @Test
    void sixtyFourStreamsAtOnceOfWhichHalfAreCutOffLeaveNothingBehind() throws Exception {
        double aborted = server.metric("vllm:request_success_total", "abort");
        try (var pool = Executors.newFixedThreadPool(64)) {
            List<Future<String>> whole = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                // Control tokens are text here, so that there is something to read whatever the model says.
                boolean cut = i % 2 == 1; // these ask for more than they could get before they are gone
                String body = "{\"prompt\":\"Story number " + i + "\",\"max_tokens\":" + (cut ? 5000 : 40)
                        + ",\"temperature\":0,\"ignore_eos\":true,\"skip_special_tokens\":false,\"stream\":true}";
                whole.add(pool.submit(() -> cut
                        ? readAFewBytes(body)
                        : server.post("/v1/completions", body).body()));
            }
            for (int i = 0; i < 64; i++) {
                String text = whole.get(i).get();
                if (i % 2 == 0) {
                    assertThat(text).endsWith("data: [DONE]\n\n").contains("\"finish_reason\":\"length\"");
                }
            }
        }
        RunningServer.await(() -> server.metric("vllm:request_success_total", "abort") == aborted + 32);
        assertThat(server.bean(ContinuousBatchingScheduler.class).isAlive()).isTrue();
    }

    private static String readAFewBytes(String body) throws Exception {
        URI uri = URI.create(server.base);
        try (Socket socket = new Socket(uri.getHost(), uri.getPort())) {
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            socket.getOutputStream()
                    .write(("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                    + "Content-Length: " + bytes.length + "\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            socket.getOutputStream().write(bytes);
            socket.getOutputStream().flush();
            InputStream in = socket.getInputStream();
            return new String(in.readNBytes(400), StandardCharsets.UTF_8);
        }
    }

    @Test
    void clientsOfOurUsersUnderstandUs() {
        var client = com.openai.client.okhttp.OpenAIOkHttpClient.builder()
                .apiKey("any")
                .baseUrl(server.base + "/v1")
                .build();
        var params = com.openai.models.chat.completions.ChatCompletionCreateParams.builder()
                .model("minimind2-small")
                .addUserMessage("What is the capital of France?")
                .temperature(0)
                .build();
        var whole = client.chat().completions().create(params);
        assertThat(whole.choices().getFirst().message().content()).contains("The capital of France is Paris.");
        var accumulator = com.openai.helpers.ChatCompletionAccumulator.create();
        try (var stream = client.chat().completions().createStreaming(params)) {
            stream.stream().forEach(accumulator::accumulate);
        }
        assertThat(accumulator.chatCompletion().choices().getFirst().message().content())
                .contains("The capital of France is Paris.");
        assertThat(client.models().list().data().getFirst().id()).isEqualTo("minimind2-small");
        client.close();
    }
}
