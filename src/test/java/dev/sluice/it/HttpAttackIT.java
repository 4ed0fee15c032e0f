package dev.sluice.it;

import static dev.sluice.it.RawHttp.get;
import static dev.sluice.it.RawHttp.post;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What no HTTP client would send, over plain sockets, to a server
 * that asks for keys. A second is the limit for slow senders here, where production gives 30.
 */
class HttpAttackIT {

    private static final String KEY = "Authorization: Bearer right-key\r\n";
    private static final String BODY = "{\"prompt\":\"Hi\",\"max_tokens\":2,\"temperature\":0}";

    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer(
                "--sluice.executor.type=simulator", "--sluice.api.keys=right-key", "--sluice.api.read-timeout=1s");
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

    private static Socket connect(String base) throws IOException {
        return RawHttp.connect(base);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/models",
                "//v1/models",
                "/v1/./models",
                "/v1;a=b/models",
                "/%2e%2e/v1/models",
                "/v1/models/",
                "/V1/MODELS",
                "/v1/%6dodels",
                "/v1/models/..%2f..%2fhealth",
                "/v1/models/%00",
                "/health/../v1/models",
                "/health;/../v1/models",
                "/metrics/%2e%2e/v1/models",
                "/v1/models?api_key=right-key&key=right-key"
            })
    void noSpellingOfAPathLeadsAroundTheKey(String path) {
        String without = raw(get(path, ""));
        assertThat(without).containsPattern("^HTTP/1\\.1 40[014]").doesNotContain("minimind2-small");
        String with = raw(get(path, KEY));
        assertThat(with).containsPattern("^HTTP/1\\.1 (200|400|404)").doesNotContain("Exception");
    }

    static Stream<String> wrongKeys() {
        return Stream.of(
                "",
                "Authorization: Bearer\r\n",
                "Authorization: Bearer right-key-and-more\r\n",
                "Authorization: Bearer right-ke\r\n",
                "Authorization: Basic right-key\r\n",
                "Authorization: Bearer right-key\r\nAuthorization: Bearer right-key\r\n",
                "Authorization: Bearer \u00ff\u00fe\r\n",
                "Authorization: Bearer " + "x".repeat(5000) + "\r\n",
                "x-api-key: wrong\r\n");
    }

    @ParameterizedTest
    @MethodSource("wrongKeys")
    void everyWrongKeyGetsTheSameAnswer(String header) {
        String answer = raw(get("/v1/models", header));
        assertThat(answer).startsWith("HTTP/1.1 401").contains("WWW-Authenticate: Bearer");
        assertThat(answer.substring(answer.indexOf("\r\n\r\n")))
                .isEqualTo("\r\n\r\n{\"error\":{\"message\":\"a valid API key is required: Authorization: Bearer ...\","
                        + "\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"GET", "TRACE", "FOO", "DELETE"})
    void otherMethodsAreNotAllowed(String method) {
        String answer = raw(post(KEY, BODY).replaceFirst("POST", method));
        assertThat(answer).startsWith("HTTP/1.1 405").contains("Allow: POST", "\"method_not_allowed\"");
    }

    @Test
    void formsOfOtherOriginsAreNotUnderstoodAndGetNoPermission() {
        String form = post(KEY + "Origin: http://evil.example\r\n", "prompt=Hi")
                .replace("application/json", "application/x-www-form-urlencoded");
        assertThat(raw(form)).startsWith("HTTP/1.1 415").doesNotContain("Access-Control");
        String preflight = get(
                        "/v1/completions",
                        KEY + "Origin: http://evil.example\r\n" + "Access-Control-Request-Method: POST\r\n")
                .replaceFirst("GET", "OPTIONS");
        assertThat(raw(preflight)).doesNotContain("Access-Control");
    }

    @ParameterizedTest
    @CsvSource({"/v1/completions,POST", "//v1/completions,POST", "/v1/models/x,'GET, HEAD'", "/livez,'GET, HEAD'"})
    void optionsNeedNoKey(String path, String methods) {
        String answer = raw(get(path, "").replaceFirst("GET", "OPTIONS"));
        assertThat(answer).startsWith("HTTP/1.1 204").contains("Allow: " + methods + "\r\n");
        assertThat(raw(get("/nothing", "").replaceFirst("GET", "OPTIONS"))).startsWith("HTTP/1.1 404");
    }

    @Test
    void expectationsAreMetOrRefused() {
        String large = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + KEY
                + "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n";
        assertThat(raw(large)).startsWith("HTTP/1.1 413").doesNotContain("100 Continue");
        assertThat(raw(post(KEY + "Expect: 100-continue\r\n", BODY))).contains("HTTP/1.1 200");
    }

    @Test
    void oneRequestIdOnManyRequestsServesAllAndABadOneIsReplaced() throws Exception {
        List<Thread> callers = new ArrayList<>();
        List<String> ids = Collections.synchronizedList(new ArrayList<>());
        for (int i = 0; i < 20; i++) {
            Thread caller = new Thread(() -> {
                String answer = raw(post(KEY + "X-Request-Id: same\r\n", BODY));
                assertThat(answer).startsWith("HTTP/1.1 200").contains("x-request-id: same");
                ids.add(RunningServer.json(answer.substring(answer.indexOf("\r\n\r\n") + 4))
                        .at("/id")
                        .asString());
            });
            callers.add(caller);
            caller.start();
        }
        for (Thread caller : callers) {
            caller.join();
        }
        assertThat(ids).hasSize(20).doesNotHaveDuplicates();
        assertThat(raw(post(KEY + "X-Request-Id: two words\r\n", BODY))).doesNotContain("two words");
    }

    @Test
    void aBodyThatNeverEndsIsCutOff() {
        List<String> parts = new ArrayList<>();
        parts.add("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + KEY
                + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        for (int i = 0; i < 12; i++) {
            parts.add("100000\r\n" + " ".repeat(1 << 20) + "\r\n");
        }
        String answer = raw(parts.toArray(String[]::new));
        if (!answer.isEmpty()) {
            assertThat(answer).startsWith("HTTP/1.1 413").contains("request_too_large");
        }
    }

    @Test
    void aBodyInOneByteChunksIsRead() { // a thousandth of it
        StringBuilder chunks = new StringBuilder();
        String body = BODY + " ".repeat(8000);
        body.chars().forEach(c -> chunks.append("1\r\n").append((char) c).append("\r\n"));
        String answer =
                raw(post(KEY, "").replace("Content-Length: 0", "Transfer-Encoding: chunked") + chunks + "0\r\n\r\n");
        assertThat(answer).startsWith("HTTP/1.1 200");
    }

    @Test
    void aBodyThatStopsHalfwayIsGivenUp() {
        String request = post(KEY, BODY).replace("Content-Length: " + BODY.length(), "Content-Length: 500");
        assertThat(raw(request))
                .startsWith("HTTP/1.1 408")
                .contains("connection: close", "\"request_timeout\"", "did not arrive within 1000 ms");
    }

    @Test
    void aHeadThatTricklesIsGivenUpAndHurtsNobody() throws Exception { // with 100 connections instead of 1,000
        List<Socket> slow = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            Socket socket = i < 90 ? connect(server.base) : connect(server.management);
            socket.getOutputStream().write("POST /v1/comp".getBytes(StandardCharsets.US_ASCII));
            slow.add(socket);
        }
        assertThat(raw(post(KEY, BODY))).startsWith("HTTP/1.1 200");
        for (Socket socket : slow) {
            assertThat(RawHttp.readAll(socket.getInputStream())).isEmpty();
            socket.close();
        }
    }

    @Test
    void aSecondHeadOnTheSameConnectionHasItsTimeToo() throws Exception {
        try (Socket socket = connect(server.base)) {
            String first = post(KEY, BODY).replace("Connection: close\r\n", "");
            socket.getOutputStream().write(first.getBytes(StandardCharsets.US_ASCII));
            byte[] answer = new byte["HTTP/1.1 200".length()];
            assertThat(socket.getInputStream().readNBytes(answer, 0, answer.length))
                    .isEqualTo(answer.length);
            assertThat(new String(answer, StandardCharsets.US_ASCII)).isEqualTo("HTTP/1.1 200");
            socket.getOutputStream().write("GET /v1/mod".getBytes(StandardCharsets.US_ASCII));
            assertThat(RawHttp.responses(RawHttp.readAll(socket.getInputStream())))
                    .isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"../../etc/passwd", "/etc/passwd", "http://169.254.169.254/", "\\u0000", "mod\\u0435l", ""})
    void aModelIsANameAndNothingElse(String name) {
        String answer = raw(post(KEY, "{\"model\":\"" + name + "\",\"prompt\":\"Hi\"}"));
        assertThat(answer).containsPattern("^HTTP/1\\.1 40[04]").contains("\"param\":\"model\"");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/nothing", "/v1/models/none", "/actuator/env"})
    void errorsAreJsonWhateverIsAccepted(String path) {
        assertThat(raw(get(path, KEY + "Accept: text/html\r\n")))
                .startsWith("HTTP/1.1 404")
                .contains("Content-Type: application/json")
                .doesNotContain("<html");
    }
}
