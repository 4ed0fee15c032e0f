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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An engine that fails or hangs for good ends its process: the whole application in a process of its own. */
class EngineFailureIT {

    private static final String STREAM =
            "{\"prompt\":\"Once\",\"max_tokens\":5000,\"temperature\":0,\"ignore_eos\":true,"
                    + "\"skip_special_tokens\":false,\"stream\":true%s}";

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"device", "error"})
    void anEngineThatDiesEndsItsStreamsAndThenTheProcess(String doom) throws Exception {
        try (ServerProcess server = start(doom)) {
            List<CompletableFuture<HttpResponse<String>>> streams = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                streams.add(server.post("/v1/completions", STREAM.formatted("")));
            }
            streams.add(server.post("/v1/completions", STREAM.formatted(",\"seed\":666")));
            for (CompletableFuture<HttpResponse<String>> stream : streams) {
                HttpResponse<String> answer = stream.get(20, TimeUnit.SECONDS);
                assertThat(answer.body()).contains("\"error\"").doesNotContain("finish_reason\":\"stop");
                assertThat(answer.body()).doesNotContain("device is gone", "cannot be", "Exception", "dev.sluice");
            }
            assertThat(server.awaitExit(10)).isEqualTo(1);
            assertThat(server.log()).contains("The engine has failed; the process ends");
        }
    }

    @Test
    void aStepThatHangsCostsReadinessThenLivenessAndLeavesOneDump() throws Exception {
        try (ServerProcess server = start("hang", "--sluice.scheduler.watchdog=3s")) {
            assertThat(server.status("/livez")).isEqualTo(200);
            assertThat(server.status("/readyz")).isEqualTo(200);
            server.post("/v1/completions", STREAM.formatted(",\"seed\":666"));
            RunningServer.await(() -> server.status("/health/ready") == 503 && server.status("/readyz") == 503);
            RunningServer.await(() -> server.status("/livez") == 503);
            assertThat(server.log().split("No turn has ended for", -1)).hasSize(2);
            assertThat(server.log()).contains("sluice-scheduler WAITING").contains("FailingServer");
        }
    }

    private ServerProcess start(String doom, String... arguments) throws Exception {
        ServerProcess server =
                ServerProcess.ofTests(FailingServer.class, directory, List.of("-Dfail=" + doom), arguments);
        server.awaitReady();
        return server;
    }
}
