package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Who gets in by which port: the rule of keys, what is served where, and how many connections there may be. */
class DoorsIT {

    private static final int CONNECTIONS_MAX = 20;
    private static final String BODY = "{\"prompt\":\"Hi\",\"max_tokens\":1}";

    private static RunningServer open;
    private static RunningServer closed;

    @BeforeAll
    static void start() {
        open = new RunningServer(
                "--sluice.executor.type=simulator",
                "--sluice.api.keys=right-key",
                "--sluice.api.max-connections=" + CONNECTIONS_MAX);
        closed = new RunningServer(
                "--sluice.executor.type=simulator",
                "--sluice.api.keys=right-key",
                "--sluice.api.metrics-need-key=true");
    }

    @AfterAll
    static void stop() {
        open.close();
        closed.close();
    }

    private static int status(String base, String path, String... headers) {
        String head = headers.length == 0 ? "" : headers[0] + "\r\n";
        String answer = RawHttp.exchange(base, RawHttp.get(path, head));
        return Integer.parseInt(answer.substring("HTTP/1.1 ".length(), "HTTP/1.1 200".length()));
    }

    /** Columns: port, path, status without a key if metrics are open and if they are not, status with a key. */
    @ParameterizedTest
    @CsvSource({
        "api, /health, 200, 200, 200",
        "api, /health/ready, 200, 200, 200",
        "api, /ping, 200, 200, 200",
        "api, /livez, 200, 200, 200",
        "api, /readyz, 200, 200, 200",
        "api, /version, 200, 200, 200",
        "api, /metrics, 200, 401, 200",
        "api, /load, 200, 401, 200",
        "api, /v1/models, 401, 401, 200",
        "api, /actuator, 401, 401, 404",
        "api, /actuator/info, 401, 401, 404",
        "management, /actuator/health, 200, 200, 200",
        "management, /actuator/health/liveness, 200, 200, 200",
        "management, /actuator/health/readiness, 200, 200, 200",
        "management, /actuator/health/offload, 200, 200, 200",
        "management, /actuator/health/../info, 404, 404, 404",
        "management, /actuator/prometheus, 200, 401, 200",
        "management, /actuator/metrics, 200, 401, 200",
        "management, /actuator/metrics/jvm.info, 200, 401, 200",
        "management, /actuator/info, 401, 401, 200",
        "management, /actuator, 401, 401, 200"
    })
    void probesNeedNoKeyAndMetricsNeedOneIfThatIsSaid(
            String port, String path, int whenOpen, int whenClosed, int withKey) {
        boolean api = port.equals("api");
        assertThat(status(api ? open.base : open.management, path)).isEqualTo(whenOpen);
        String base = api ? closed.base : closed.management;
        assertThat(status(base, path)).isEqualTo(whenClosed);
        assertThat(status(base, path, "x-api-key: right-key")).isEqualTo(withKey);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/models",
                "/v1/models/minimind2-small",
                "/models",
                "/v1/completions",
                "/v1/chat/completions",
                "/tokenize",
                "/metrics",
                "/health",
                "/health/ready",
                "/ping",
                "/version",
                "/load",
                "/livez",
                "//v1/models",
                "/actuatorx",
                "/actuator;/../v1/models",
                "/actuator/../v1/models",
                "/actuator/%2e%2e/v1/models",
                "/"
            })
    void theApiIsNotOnTheManagementPort(String path) {
        String key = "Authorization: Bearer right-key\r\n";
        String get = RawHttp.exchange(open.management, RawHttp.get(path, key));
        String post = RawHttp.exchange(open.management, RawHttp.post(key, BODY).replace("/v1/completions", path));
        for (String answer : List.of(get, post)) {
            assertThat(answer).startsWith("HTTP/1.1 404").contains("\"unknown_url\"");
        }
    }

    @Test
    void theManagementPortIsForReading() {
        String key = "Authorization: Bearer right-key\r\n";
        for (String method : List.of("POST", "DELETE", "PUT", "PATCH", "TRACE")) {
            String request = RawHttp.get("/actuator/health", key).replaceFirst("GET", method);
            assertThat(RawHttp.exchange(open.management, request))
                    .startsWith("HTTP/1.1 405")
                    .contains("Allow: GET, HEAD");
        }
        assertThat(RawHttp.exchange(
                        open.management, RawHttp.get("/actuator/info", "").replaceFirst("GET", "OPTIONS")))
                .startsWith("HTTP/1.1 204")
                .contains("Allow: GET, HEAD")
                .doesNotContain("Access-Control");
    }

    @Test
    void brokenHeadsAreRefusedOnTheManagementPortToo() {
        assertThat(RawHttp.exchange(open.management, "GET /actuator/health HTTP/1.1\r\n\r\n"))
                .startsWith("HTTP/1.1 400")
                .contains("\"ambiguous_host\"");
        assertThat(status(open.management, "/actuator/health", "Accept: " + "a/b,".repeat(51)))
                .isEqualTo(200);
    }

    @Test
    void aConnectionTooManyIsToldSoAndTheOtherPortDoesNotNotice() throws Exception {
        List<Socket> idle = new ArrayList<>();
        try {
            for (int i = 0; i < CONNECTIONS_MAX; i++) {
                idle.add(RawHttp.connect(open.base));
            }
            RunningServer.await(() -> connections() == CONNECTIONS_MAX);
            double before = refused();
            for (int i = 0; i < 3 * CONNECTIONS_MAX; i++) {
                assertThat(firstWords(open.base))
                        .startsWith("HTTP/1.1 503")
                        .contains("retry-after: 1", "connection: close", "\"too_many_connections\"");
            }
            HttpResponse<String> health = open.getAt(open.management + "/actuator/health/readiness");
            assertThat(health.statusCode()).isEqualTo(200);
            assertThat(connections()).isEqualTo(CONNECTIONS_MAX);
            assertThat(refused()).isEqualTo(before + 3 * CONNECTIONS_MAX);
        } finally {
            for (Socket socket : idle) {
                socket.close();
            }
        }
        RunningServer.await(() -> connections() < CONNECTIONS_MAX);
        assertThat(status(open.base, "/health")).isEqualTo(200);
    }

    /** Of a server that speaks first. */
    private static String firstWords(String base) throws IOException {
        try (Socket socket = RawHttp.connect(base)) {
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
        }
    }

    private static double connections() {
        return managed("sluice_http_connections{port=\"api\"}");
    }

    private static double refused() {
        return managed("sluice_http_refused_total{port=\"api\",status=\"503\"}");
    }

    private static double managed(String series) {
        return open.getAt(open.management + "/actuator/prometheus")
                .body()
                .lines()
                .filter(line -> line.startsWith(series))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .sum();
    }

    @Test
    void noPageShowsADirectoryOfThisMachine() {
        List<String> pages = new ArrayList<>();
        for (String path : List.of("/metrics", "/health", "/health/ready", "/version", "/load")) {
            pages.add(open.get(path).body());
        }
        String key = "Authorization: Bearer right-key\r\n";
        for (String path : List.of("", "/health", "/health/readiness", "/info", "/prometheus", "/metrics")) {
            pages.add(RawHttp.exchange(open.management, RawHttp.get("/actuator" + path, key)));
        }
        List<String> directories = List.of(
                Path.of("").toAbsolutePath().toString(),
                System.getProperty("user.home"),
                System.getProperty("java.home"),
                "path=\"");
        for (String page : pages) {
            assertThat(page).isNotEmpty();
            directories.stream()
                    .filter(directory -> directory.length() > 1)
                    .forEach(directory -> assertThat(page).doesNotContain(directory));
        }
    }
}
