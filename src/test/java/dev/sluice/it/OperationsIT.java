package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;

/** What operators see, and what they must not see. */
@ExtendWith(OutputCaptureExtension.class)
class OperationsIT {

    private static RunningServer server;

    @BeforeAll
    static void start() {
        server = new RunningServer("--sluice.executor.type=simulator", "--logging.level.dev.sluice=debug");
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static Set<String> series() {
        Set<String> series = new TreeSet<>();
        for (String page : List.of(
                server.get("/metrics").body(),
                server.getAt(server.management + "/actuator/prometheus").body())) {
            Matcher line = Pattern.compile("(?m)^([a-z][^ ]*(\\{.*})?) \\S+$").matcher(page);
            while (line.find()) {
                if (!line.group(1).startsWith("jvm_gc_")) { // they begin with the first collection, whoever calls
                    series.add(line.group(1));
                }
            }
        }
        return series;
    }

    private static void oneOfEachKind(String word) {
        server.get("/" + word);
        server.get("/v1/models/" + word);
        server.post("/v1/completions", "{\"model\":\"" + word + "\",\"prompt\":\"x\"}");
        server.post(
                "/v1/completions",
                "{\"prompt\":\"x\",\"max_tokens\":1,\"user\":\"" + word + "\",\"cache_salt\":\"" + word + "\"}",
                "X-Request-Id",
                word);
        server.post("/v1/" + word, "{}");
    }

    @Test
    void noClientCanMakeTheMetricsGrow() { // with a hundredth of the calls
        oneOfEachKind("first");
        oneOfEachKind("second");
        // A call is counted after its answer, the scrape's own too.
        RunningServer.await(() -> series().stream().anyMatch(line -> line.contains("uri=\"/metrics\"")));
        Set<String> before = series();
        Random random = new Random(1);
        for (int i = 0; i < 100; i++) {
            oneOfEachKind("w" + Long.toHexString(random.nextLong()));
        }
        List<String> added = new ArrayList<>(series());
        added.removeAll(before);
        assertThat(added).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "beans",
                "caches",
                "conditions",
                "configprops",
                "env",
                "heapdump",
                "loggers",
                "mappings",
                "sbom",
                "scheduledtasks",
                "shutdown",
                "startup",
                "threaddump",
                "httpexchanges",
                "auditevents",
                "refresh",
                "restart",
                "gateway",
                "circuitbreakers",
                "circuitbreakerevents",
                "retries",
                "jolokia",
                "logfile"
            })
    void otherActuatorEndpointsAreNotThere(String id) {
        assertThat(server.getAt(server.management + "/actuator/" + id).statusCode())
                .isEqualTo(404);
        assertThat(server.get("/actuator/" + id).statusCode()).isEqualTo(404);
    }

    @ParameterizedTest
    @ValueSource(strings = {"health", "health/liveness", "health/readiness", "health/offload", "info", "prometheus"})
    void theseActuatorEndpointsAreOnTheManagementPortOnly(String id) {
        assertThat(server.getAt(server.management + "/actuator/" + id).statusCode())
                .isEqualTo(200);
        assertThat(server.get("/actuator/" + id).statusCode()).isEqualTo(404);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"line\\r\\nINFO forged line", "\\u001b[31mred", "${jndi:ldap://127.0.0.1/x}", "secret-word"})
    void theLogHoldsNoContentAndNothingForged(String text, CapturedOutput output) {
        server.post("/v1/completions", "{\"model\":\"" + text + "\",\"prompt\":\"x\"}");
        server.post("/v1/completions", "{\"prompt\":\"" + text + "\",\"max_tokens\":1,\"user\":\"" + text + "\"}");
        server.post(
                "/v1/chat/completions",
                "{\"messages\":[{\"role\":\"user\",\"content\":\"" + text + "\"}],\"max_tokens\":1}");
        RunningServer.await(() -> output.getAll().contains("prompt="));
        assertThat(output.getAll()).doesNotContain("forged", "\u001b", "jndi", "secret-word");
    }
}
