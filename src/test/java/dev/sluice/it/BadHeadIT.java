package dev.sluice.it;

import static dev.sluice.it.RawHttp.get;
import static dev.sluice.it.RawHttp.post;
import static dev.sluice.it.RawHttp.responses;
import static org.assertj.core.api.Assertions.assertThat;

import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/**
 * Heads and bodies that break HTTP itself, to a server that asks for keys: each is refused once, in the API's shape, and
 * nothing of it is run.
 */
class BadHeadIT {

    private static final String KEY = "Authorization: Bearer right-key\r\n";
    private static final String BODY = "{\"prompt\":\"Hi\",\"max_tokens\":2,\"temperature\":0}";

    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer("--sluice.executor.type=simulator", "--sluice.api.keys=right-key");
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @AfterEach
    void normalCallsGoOn() {
        assertThat(raw(post(KEY, BODY))).startsWith("HTTP/1.1 200");
    }

    private static String raw(String... parts) {
        return RawHttp.exchange(server.base, parts);
    }

    static Stream<List<String>> tooLarge() {
        StringBuilder many = new StringBuilder();
        for (int i = 0; i < 10_000; i++) {
            many.append("X-").append(i).append(": 1\r\n");
        }
        return Stream.of(
                List.of("431", post(KEY + "X-Large: " + "a".repeat(9 << 10) + "\r\n", BODY)),
                List.of("431", post("Authorization: Bearer " + "x".repeat(100_000) + "\r\n", BODY)),
                List.of("431", post(KEY + many, BODY)),
                List.of("431", post(KEY + many.substring(0, 1200), BODY)),
                List.of("431", post(KEY + "X-Request-Id: " + "a".repeat(1 << 20) + "\r\n", BODY)),
                List.of("414", get("/" + "a".repeat(5 << 10), KEY)),
                List.of("414", get("/v1/models/" + "a".repeat(100 << 10), KEY)));
    }

    @ParameterizedTest
    @MethodSource("tooLarge")
    void aHeadThatIsTooLargeEndsTheConnection(List<String> attack) {
        String answer = raw(attack.get(1));
        assertThat(responses(answer)).isEqualTo(1);
        assertThat(answer).startsWith("HTTP/1.1 " + attack.getFirst());
        assertThatTheErrorHasItsShape(answer);
    }

    private static void assertThatTheErrorHasItsShape(String answer) {
        assertThat(answer)
                .containsIgnoringCase("content-type: application/json")
                .contains("x-request-id: ");
        JsonNode error = RunningServer.json(answer.substring(answer.indexOf("\r\n\r\n") + 4))
                .at("/error");
        assertThat(error.at("/message").isString() && error.at("/code").isString())
                .as(answer)
                .isTrue();
        assertThat(error.at("/type").asString()).isEqualTo("invalid_request_error");
        assertThat(error.has("param")).isTrue();
    }

    static Stream<String> ambiguous() {
        String hidden = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + KEY + "\r\n";
        String valid = post(KEY, BODY);
        return Stream.of(
                post(KEY + "Transfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden),
                post(KEY + "Content-Length: 5\r\n", BODY),
                post(KEY + "Transfer-Encoding: chunked\r\n", BODY).replace("HTTP/1.1", "HTTP/1.0"),
                post(KEY + "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
                coded("chunked, chunked"),
                coded("gzip"),
                coded("identity"),
                coded("xchunked"),
                coded("chunked\r\nTransfer-Encoding: gzip"),
                post(KEY + "Transfer-Encoding: gzip, chunked\r\n", BODY),
                "\u0000\u0001" + valid,
                valid.replace("\r\n", "\n"),
                valid.replace("Host: localhost\r\n", ""),
                valid.replace("Host: localhost", "Host: x/health?"),
                valid.replace("Host: localhost", "Host: a b"),
                post(KEY + "Host: other\r\n", BODY),
                get("/v1/models?x=%zz", KEY),
                get("/v1/models?x=a{b}|", KEY),
                get("/v1/models/%2", KEY),
                get("http://[x/v1/models", KEY));
    }

    /** A body in chunks under some name of a coding. */
    private static String coded(String coding) {
        return post(KEY, "").replace("Content-Length: 0", "Transfer-Encoding: " + coding) + chunk(BODY) + "0\r\n\r\n";
    }

    private static String chunk(String text) {
        return Integer.toHexString(text.length()) + "\r\n" + text + "\r\n";
    }

    @ParameterizedTest
    @MethodSource("ambiguous")
    void whatCanBeReadInTwoWaysIsReadInNone(String request) {
        String answer = raw(request);
        assertThat(answer).startsWith("HTTP/1.1 400").doesNotContain("minimind2-small");
        assertThat(responses(answer)).isEqualTo(1);
        assertThatTheErrorHasItsShape(answer);
    }

    static Stream<List<String>> notSpoken() {
        String valid = post(KEY, BODY);
        return Stream.of(
                List.of("505", valid.replace("HTTP/1.1", "HTTP/9.9")),
                List.of("505", valid.replace("HTTP/1.1", "HTTP/1.2")),
                List.of("505", valid.replace("HTTP/1.1", "HTTP/2.0")),
                List.of("501", coded("gzip, chunked")),
                List.of("417", post(KEY + "Expect: banana\r\n", BODY)));
    }

    @ParameterizedTest
    @MethodSource("notSpoken")
    void whatNobodyHereSpeaksIsRefused(List<String> attack) {
        String answer = raw(attack.get(1));
        assertThat(answer).startsWith("HTTP/1.1 " + attack.getFirst()).doesNotContain("minimind2-small");
        assertThatTheErrorHasItsShape(answer);
    }

    @ParameterizedTest
    @ValueSource(strings = {"zz\r\n", "-1\r\n", "\r\n", "fffffffffffffffff\r\n", "5\r\nabcdefgh\r\n"})
    void aWholeBodyBeforeABadChunkIsNotRun(String bad) {
        double before = server.metric("vllm:request_success_total", "");
        String head = post(KEY, "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
        for (String answer : List.of(raw(head + chunk(BODY) + bad), raw(head + chunk(BODY), bad))) {
            assertThat(answer).startsWith("HTTP/1.1 400");
            assertThat(responses(answer)).isEqualTo(1);
            assertThatTheErrorHasItsShape(answer);
        }
        raw(post(KEY, BODY));
        RunningServer.await(() -> server.metric("vllm:request_success_total", "") > before);
        assertThat(server.metric("vllm:request_success_total", "")).isEqualTo(before + 1);
    }

    @Test
    void aRequestThatHasItsAnswerGetsNoSecondOne() throws Exception {
        String head = post("", "")
                .replace("Content-Length: 0", "Transfer-Encoding: chunked")
                .replace("Connection: close\r\n", "");
        try (Socket socket = RawHttp.connect(server.base)) { // without a key, it is answered before its body is read
            socket.getOutputStream().write((head + chunk(BODY)).getBytes(StandardCharsets.US_ASCII));
            byte[] first = new byte["HTTP/1.1 401".length()];
            assertThat(socket.getInputStream().readNBytes(first, 0, first.length))
                    .isEqualTo(first.length);
            assertThat(new String(first, StandardCharsets.US_ASCII)).isEqualTo("HTTP/1.1 401");
            socket.getOutputStream().write("zz\r\n".getBytes(StandardCharsets.US_ASCII));
            assertThat(responses(RawHttp.readAll(socket.getInputStream()))).isZero();
        }
    }

    @Test
    void anErrorCanBeReadToItsEndHoweverMuchWasSent() throws Exception {
        try (Socket socket = RawHttp.connect(server.base)) {
            String head = get("/v1/models", "").replace("HTTP/1.1", "HTTP/7.7");
            socket.getOutputStream().write((head + "x".repeat(4 << 20)).getBytes(StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII); // no reset
            assertThat(answer).startsWith("HTTP/1.1 505").endsWith("}");
        }
    }

    @Test
    void anErrorWaitsForTheResponsesBeforeIt() {
        String first = post(KEY, BODY.replace("}", ",\"stream\":true}")).replace("Connection: close\r\n", "");
        String answer = raw(first + "GET /v1/models HTTP/7.7\r\n\r\n");
        assertThat(answer).startsWith("HTTP/1.1 200").contains("data: [DONE]");
        assertThat(answer.substring(answer.indexOf("[DONE]"))).contains("HTTP/1.1 505", "http_version_not_supported");
        assertThat(responses(answer)).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {",,;;//", "text/*;q=banana", "*/json", "\"", "MANY", "VERY MANY"})
    void whatIsAcceptedDecidesNothing(String accept) {
        String types =
                accept.equals("MANY") ? "a/b,".repeat(51) : accept.equals("VERY MANY") ? "a/b,".repeat(1000) : accept;
        String header = KEY + "Accept: " + types + "\r\n";
        assertThat(raw(post(header, BODY))).startsWith("HTTP/1.1 200");
        for (String path : List.of("/v1/models", "/metrics", "/livez")) {
            assertThat(raw(get(path, header))).as(path).startsWith("HTTP/1.1 200");
        }
        assertThat(raw(get("/nothing", header))).startsWith("HTTP/1.1 404");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bogus",
                "a/b;;=",
                "application/*",
                "application/json;charset=bogus",
                "application/json;charset=utf-16",
                "application/json\r\nContent-Type: text/plain"
            })
    void onlyJsonInUtf8IsUnderstood(String type) {
        String answer = raw(post(KEY, BODY).replace("application/json", type));
        assertThat(answer).startsWith("HTTP/1.1 415");
        assertThatTheErrorHasItsShape(answer);
    }
}
