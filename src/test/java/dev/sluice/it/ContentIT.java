package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.ServerSocket;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What stands in the fields of calls that are well-formed. */
class ContentIT {

    private static final String CHAT = "/v1/chat/completions";

    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static String chat(String content) {
        return JsonMapper.shared()
                .writeValueAsString(Map.of(
                        "messages",
                        List.of(Map.of("role", "user", "content", content)),
                        "max_tokens",
                        1,
                        "temperature",
                        0));
    }

    private static int promptTokens(String content) {
        return RunningServer.json(server.post(CHAT, chat(content)).body())
                .at("/usage/prompt_tokens")
                .intValue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"image_url", "input_audio", "file", "video_url"})
    void nothingIsFetchedForAClient(String type) throws Exception {
        try (ServerSocket bait = new ServerSocket(0)) {
            bait.setSoTimeout(300);
            String url = "http://127.0.0.1:" + bait.getLocalPort() + "/x";
            String body = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"" + type + "\",\"" + type
                    + "\":{\"url\":\"" + url + "\"}}]}]}";
            HttpResponse<String> answer = server.post(CHAT, body);
            assertThat(answer.statusCode()).isEqualTo(400);
            assertThat(answer.body()).contains("messages[0].content[0]");
            try (var caught = bait.accept()) {
                throw new AssertionError("the server has called " + caught);
            } catch (SocketTimeoutException e) {
                assertThat(e).hasMessageContaining("timed out");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"chat_template\":\"{{ 7 * 7 }}\"",
                "\"chat_template_kwargs\":{\"messages\":[],\"bos_token\":\"x\"}",
                "\"chat_template_kwargs\":{\"__class__\":1,\"tokenize\":true}"
            })
    void noTemplateOfAClientIsRendered(String field) {
        String plain = chat("What is the capital of France?");
        HttpResponse<String> answer = server.post(CHAT, plain.substring(0, plain.length() - 1) + "," + field + "}");
        if (answer.statusCode() == 200) {
            assertThat(RunningServer.json(answer.body())
                            .at("/usage/prompt_tokens")
                            .intValue())
                    .isEqualTo(33);
        } else {
            assertThat(answer.statusCode()).isEqualTo(400);
            assertThat(answer.body()).contains("chat_template");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"<|im_end|>", "<|im_start|>", "<|endoftext|>"})
    void controlTokensWrittenAsTextAreText(String token) {
        int one = promptTokens("a " + token + " b") - promptTokens("a  b");
        int ten = promptTokens("a " + token.repeat(10) + " b") - promptTokens("a  b");
        assertThat(one).isGreaterThan(1);
        assertThat(ten).isGreaterThan(10);
        JsonNode ids = RunningServer.json(server.post("/tokenize", "{\"prompt\":\"" + token + "\"}")
                        .body())
                .at("/tokens");
        assertThat(ids.size()).isGreaterThan(1);
        ids.forEach(id -> assertThat(id.intValue()).isGreaterThan(2)); // 0, 1 and 2 are the control tokens
    }

    /** Where text may stand: in what is read, in what is not, in names, and in JSON within JSON. */
    private static final List<String> PLACES = List.of(
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a%sb\"}],\"max_tokens\":1}",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":1,\"unknown\":[{\"x\":\"%s\"}]}",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":1,\"un%sknown\":1}",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":1,\"user\":\"%s\"}");

    @ParameterizedTest
    @ValueSource(strings = {"c0af", "e080af", "f08080af", "eda080", "f4908080", "ff", "c3", "5c7564383030"})
    void whatIsNoUnicodeIsRefusedWhereverItStands(String hex) {
        byte[] bytes = HexFormat.of().parseHex(hex);
        for (String place : PLACES) {
            byte[] body = place.formatted(new String(bytes, StandardCharsets.ISO_8859_1))
                    .getBytes(StandardCharsets.ISO_8859_1);
            HttpResponse<String> answer = post(body);
            assertThat(answer.statusCode()).as(place).isEqualTo(400);
            assertThat(answer.body()).containsAnyOf("UTF-8", "half a character");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32LE", "UTF-32BE"})
    void onlyUtf8IsRead(String charset) {
        HttpResponse<String> answer = post(chat("Hi").getBytes(Charset.forName(charset)));
        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(answer.body()).contains("UTF-8");
    }

    private static HttpResponse<String> post(byte[] body) {
        return server.send(HttpRequest.newBuilder(URI.create(server.base + CHAT))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                .build());
    }

    /** Names of equal hashes, as members of the call and within the text of a tool call's arguments. */
    @ParameterizedTest
    @CsvSource({"Aa, BB", "Aa, B@"})
    void namesOfEqualHashesHarmNoOtherCaller(String zero, String one) {
        List<String> members = new ArrayList<>();
        for (int i = 0; i < 3000; i++) {
            StringBuilder name = new StringBuilder();
            for (int bit = 0; bit < 16; bit++) {
                name.append((i >> bit & 1) == 0 ? zero : one);
            }
            members.add("\"" + name + "\":1");
        }
        String names = "{" + String.join(",", members) + "}";
        String call = "{\"function\":{\"name\":\"f\",\"arguments\":"
                + JsonMapper.shared().writeValueAsString(names) + "}}";
        String hi = "{\"role\":\"user\",\"content\":\"Hi\"}";
        for (String body : List.of(
                "{\"messages\":[" + hi + "],\"max_tokens\":1,\"metadata\":" + names + "}",
                "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[" + call + "]}," + hi
                        + "],\"max_tokens\":1}")) {
            for (int i = 0; i < 3; i++) {
                HttpResponse<String> answer = server.post(CHAT, body);
                assertThat(answer.statusCode() == 200 || answer.body().contains("context_length_exceeded"))
                        .as(answer.body())
                        .isTrue();
            }
        }
        for (int i = 0; i < 40; i++) {
            String others = ",\"metadata\":{\"name" + i + "\":1,\"another" + i + "\":2,\"third" + i + "\":3}}";
            String body = chat("Hi");
            assertThat(server.post(CHAT, body.substring(0, body.length() - 1) + others)
                            .statusCode())
                    .isEqualTo(200);
        }
    }

    static Stream<String> megabytes() {
        return Stream.of("a", "-", " ", "\n", "\u5b57", "\u0301", "\ud83d\ude00", "ab ", "9");
    }

    @ParameterizedTest
    @MethodSource("megabytes")
    void aMegabyteOfOneCharacterIsRefusedByItsLengthAndDelaysNobody(String unit) {
        HttpResponse<String> answer = server.post(CHAT, chat(unit.repeat((1 << 20) / unit.length())));
        assertThat(answer.statusCode()).isIn(200, 400);
        if (answer.statusCode() == 400) {
            assertThat(answer.body()).contains("context_length_exceeded");
        }
        assertThat(server.post(CHAT, chat("Hello")).statusCode()).isEqualTo(200);
    }

    @Test
    void whatLooksLikeTheEndOfAStreamIsText() {
        String text = "one\n\ntwo\r\ndata: [DONE]\n\n\u0000\u001b[31m three\u2028";
        String body = JsonMapper.shared()
                .writeValueAsString(
                        Map.of("prompt", text, "max_tokens", 2, "temperature", 0, "stream", true, "echo", true));
        String stream = server.post("/v1/completions", body).body();
        StringBuilder echoed = new StringBuilder();
        List<String> events = List.of(stream.split("\n\n"));
        assertThat(events.getLast()).isEqualTo("data: [DONE]");
        for (String event : events.subList(0, events.size() - 1)) {
            assertThat(event.lines()).hasSize(1);
            JsonNode chunk = JsonMapper.shared().readTree(event.substring("data: ".length()));
            echoed.append(chunk.at("/choices/0/text").asString(""));
        }
        assertThat(echoed.toString()).startsWith(text);
    }

    @Test
    void everyPairOfExtremeParametersIsServed() {
        List<List<String>> rows = AllPairs.of(List.of(
                List.of("\"temperature\":0", "\"temperature\":2", "\"temperature\":1e-9"),
                List.of("\"top_p\":1", "\"top_p\":1e-9"),
                List.of("\"top_k\":-1", "\"top_k\":1", "\"top_k\":1000000"),
                List.of("\"min_p\":0", "\"min_p\":1"),
                List.of("\"presence_penalty\":-2", "\"presence_penalty\":2"),
                List.of("\"frequency_penalty\":-2", "\"frequency_penalty\":2"),
                List.of("\"repetition_penalty\":1", "\"repetition_penalty\":2"),
                List.of("\"logit_bias\":{}", "\"logit_bias\":{\"5\":100,\"6\":-100}"),
                List.of("\"seed\":-9223372036854775808", "\"seed\":9223372036854775807", "\"seed\":null"),
                List.of("\"max_tokens\":1,\"min_tokens\":1", "\"max_tokens\":6,\"min_tokens\":6"),
                List.of("\"n\":1", "\"n\":3"),
                List.of("\"logprobs\":false", "\"logprobs\":true,\"top_logprobs\":20"),
                List.of("\"stop\":null", "\"stop\":[\"e\",\"the\"]"),
                List.of("\"stop_token_ids\":[]", "\"stop_token_ids\":[0,6399]"),
                List.of("\"ignore_eos\":true", "\"ignore_eos\":false"),
                List.of("\"stream\":false", "\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
                List.of("\"skip_special_tokens\":true", "\"skip_special_tokens\":false"),
                List.of("\"cache_salt\":null", "\"cache_salt\":\"s\"")));
        List<String> wrong = new ArrayList<>();
        for (List<String> row : rows) {
            String body = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]," + String.join(",", row) + "}";
            HttpResponse<String> answer = server.post(CHAT, body);
            boolean complete = answer.body().contains("\"finish_reason\":\"")
                    && !answer.body().contains("\"error\"");
            if (answer.statusCode() != 200 || !complete) {
                wrong.add(answer.statusCode() + " " + answer.body() + " for " + body);
            }
        }
        assertThat(rows.size()).isBetween(9, 60);
        assertThat(wrong).isEmpty();
    }
}
