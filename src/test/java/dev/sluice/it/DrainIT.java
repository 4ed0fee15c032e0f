package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
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
        try (ServerProcess server = ServerProcess.ofJar(directory, "--sluice.shutdown.drain=6s")) {
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
}
