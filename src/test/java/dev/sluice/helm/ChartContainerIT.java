package dev.sluice.helm;

import static dev.sluice.helm.RenderedChart.at;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The container's command, started on this machine with what the chart gives it: its probes answer, and it ends well. */
class ChartContainerIT {

    private final HttpClient client = HttpClient.newHttpClient();

    @Test
    void theRenderedCommandServesTheRenderedProbesAndStopsInTime(@TempDir Path root) throws Exception {
        RenderedChart chart = new RenderedChart("shutdown.drainSeconds", "5");
        int http = freePort();
        int management = freePort();
        Map<String, String> places = Map.of(
                "/app/config/jvm.options",
                        Path.of("config/jvm.options").toAbsolutePath().toString(),
                "/app/sluice.jar", jar().toString(),
                "/etc/sluice/config", root.toString());
        at(chart.object("ConfigMap"), "data").forEach((file, content) -> {
            try {
                Files.writeString(
                        root.resolve(file),
                        content.toString()
                                .replace("port: 8080", "port: " + http)
                                .replace("port: 8081", "port: " + management));
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        ProcessBuilder builder = new ProcessBuilder(command(chart, places)).redirectErrorStream(true);
        builder.redirectOutput(root.resolve("log").toFile());
        for (Object variable : (List<?>) chart.container().get("env")) {
            Map<?, ?> entry = (Map<?, ?>) variable;
            builder.environment()
                    .put(entry.get("name").toString(), root.resolve("djl").toString());
        }
        Process process = builder.start();
        try {
            awaitProbe(process, root, at(chart.container(), "startupProbe", "httpGet"), http);
            for (String probe : List.of("livenessProbe", "readinessProbe")) {
                Map<String, Object> get = at(chart.container(), probe, "httpGet");
                assertThat(get).containsEntry("port", "http");
                assertThat(status(http, get.get("path").toString())).as(probe).isEqualTo(200);
            }
            assertThat(status(management, "/actuator/prometheus")).isEqualTo(200);
        } finally {
            process.destroy();
            assertThat(process.waitFor(15, TimeUnit.SECONDS))
                    .as("ends within its grace period")
                    .isTrue();
        }
        assertThat(process.exitValue()).isIn(0, 143);
    }

    private static List<String> command(RenderedChart chart, Map<String, String> places) {
        List<String> command = new ArrayList<>();
        Stream.concat(
                        ((List<?>) chart.container().get("command")).stream(),
                        ((List<?>) chart.container().get("args")).stream())
                .map(Object::toString)
                .forEach(word -> {
                    String mapped = word;
                    for (Map.Entry<String, String> place : places.entrySet()) {
                        mapped = mapped.replace(place.getKey(), place.getValue());
                    }
                    command.add(mapped);
                });
        command.set(0, Path.of(System.getProperty("java.home"), "bin", "java").toString());
        return command;
    }

    private void awaitProbe(Process process, Path root, Map<String, Object> probe, int port) throws IOException {
        long deadline = System.nanoTime() + Duration.ofSeconds(120).toNanos();
        while (status(port, probe.get("path").toString()) != 200) {
            assertThat(process.isAlive())
                    .as(Files.readString(root.resolve("log")))
                    .isTrue();
            assertThat(System.nanoTime()).as("ready in time").isLessThan(deadline);
            LockSupport.parkNanos(200_000_000);
        }
    }

    private int status(int port, String path) {
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create("http://localhost:" + port + path))
                    .build();
            return client.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
        } catch (IOException e) {
            return -1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    private static Path jar() throws IOException {
        try (Stream<Path> files = Files.list(Path.of("target"))) {
            return files.filter(file -> file.getFileName().toString().matches("sluice-.*\\.jar"))
                    .findFirst()
                    .orElseThrow()
                    .toAbsolutePath();
        }
    }
}
