package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The packaged jar is told to end while it serves. */
class DrainIT {

    private static final String STREAM = "{\"prompt\":\"Once\",\"max_tokens\":%d,\"temperature\":0,\"ignore_eos\":true,"
            + "\"skip_special_tokens\":false,\"stream\":true}";

    @TempDir
    private Path directory;

    @Test
    void whatRunsMayFinishInTimeTheRestEndsWithAnErrorAndNothingComesIn() throws Exception {
        try (ServerProcess server = ServerProcess.ofJar(
                directory,
                "--sluice.shutdown.drain=6s",
                "--sluice.executor.type=simulator",
                "--sluice.executor.simulator.step-time=20ms")) { // short answers take a second, long ones minutes
            server.awaitReady();
            List<CompletableFuture<HttpResponse<String>>> endless = new ArrayList<>();
            List<CompletableFuture<HttpResponse<String>>> shorts = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                endless.add(server.post("/v1/completions", STREAM.formatted(8000)));
                shorts.add(server.post("/v1/completions", STREAM.formatted(60)));
            }
            RunningServer.await(() -> server.running() >= 4);
            server.terminate();
            RunningServer.await(() -> server.status("/health/ready") == 503);
            assertThat(server.status("/readyz")).isEqualTo(503);
            HttpResponse<String> late =
                    server.post("/v1/completions", STREAM.formatted(5)).get(5, TimeUnit.SECONDS);
            assertThat(late.statusCode()).isEqualTo(503);
            assertThat(late.headers().firstValue("Retry-After")).isPresent();
            assertThat(late.headers().firstValue("Connection")).contains("close");
            assertThat(late.body()).contains("\"draining\"");
            for (CompletableFuture<HttpResponse<String>> stream : shorts) {
                assertThat(stream.get(20, TimeUnit.SECONDS).body())
                        .contains("\"finish_reason\":\"length\"")
                        .endsWith("data: [DONE]\n\n");
            }
            for (CompletableFuture<HttpResponse<String>> stream : endless) {
                assertThat(stream.get(20, TimeUnit.SECONDS).body())
                        .contains("\"error\"")
                        .contains("\"draining\"")
                        .doesNotContain("\"finish_reason\":\"length\"");
            }
            assertThat(server.awaitExit(15)).isIn(0, 143);
            assertThat(server.log())
                    .contains("did not finish within the drain time")
                    .doesNotContain("\tat ");
        }
    }

    /** So many clients ask for more than sockets hold, and read nothing. */
    private static List<Socket> stalledReaders(ServerProcess server) throws Exception {
        List<Socket> sockets = new ArrayList<>();
        byte[] request = RawHttp.post("", STREAM.formatted(8000).replace("}", ",\"n\":2,\"logprobs\":5}"))
                .getBytes(StandardCharsets.US_ASCII);
        for (int i = 0; i < 8; i++) {
            Socket socket = new Socket();
            socket.setReceiveBufferSize(4096);
            socket.connect(
                    new InetSocketAddress("localhost", URI.create(server.base).getPort()));
            socket.getOutputStream().write(request);
            sockets.add(socket);
        }
        RunningServer.await(() -> server.gauge("sluice_admitted_sequences") == 16);
        return sockets;
    }

    @Test
    void clientsThatReadNothingDoNotDelayTheEnd() throws Exception {
        // Without the drain's own end, their connections would be closed after the write timeout, in five minutes.
        try (ServerProcess server = ServerProcess.ofJar(
                directory,
                "--sluice.shutdown.drain=4s",
                "--sluice.api.write-timeout=5m",
                "--sluice.executor.type=simulator")) {
            server.awaitReady();
            List<Socket> sockets = stalledReaders(server);
            server.terminate();
            assertThat(server.awaitExit(30)).isIn(0, 143);
            assertThat(server.log()).doesNotContain("\tat ", "Shutdown phase");
            for (Socket socket : sockets) {
                socket.close();
            }
        }
    }

    @Test
    void aSecondSignalEndsItAtOnce() throws Exception {
        try (ServerProcess server = ServerProcess.ofJar(
                directory,
                "--sluice.shutdown.drain=10m",
                "--spring.lifecycle.timeout-per-shutdown-phase=11m",
                "--sluice.api.write-timeout=10m",
                "--sluice.executor.type=simulator",
                "--sluice.executor.simulator.step-time=100ms")) { // its answers take minutes
            server.awaitReady();
            List<Socket> sockets = stalledReaders(server);
            server.terminate();
            RunningServer.await(() -> server.status("/health/ready") == 503);
            assertThat(server.isAlive()).isTrue();
            server.terminate();
            assertThat(server.awaitExit(30)).isIn(0, 143);
            assertThat(server.log()).contains("A second signal").doesNotContain("\tat ");
            for (Socket socket : sockets) {
                socket.close();
            }
        }
    }
}
