package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import java.net.http.HttpResponse;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** What a client sees when every load from host memory fails, under both policies. */
class LoadFailureIT {

    private static String body(String topic, boolean stream) {
        return "{\"prompt\":\"" + ("We all know much about " + topic + " and its many parts. ").repeat(6)
                + "\",\"max_tokens\":8,\"temperature\":0,\"ignore_eos\":true,\"skip_special_tokens\":false,\"stream\":"
                + stream + "}";
    }

    @ParameterizedTest
    @CsvSource({"recompute, true", "recompute, false", "fail, true", "fail, false"})
    void aFailedLoadIsComputedAgainOrEndsItsRequestAlone(String policy, boolean asynchronous) {
        FaultyCopies[] faults = new FaultyCopies[1];
        try (RunningServer server = new RunningServer(
                RunningServer.withExecutor(executor -> faults[0] = new FaultyCopies(executor, 1)),
                "--sluice.kv.blocks=14",
                "--sluice.offload.host-memory=12MB",
                "--sluice.offload.asynchronous-loads=" + asynchronous,
                "--sluice.offload.breaker.failure-rate=100",
                "--sluice.offload.load-failure-policy=" + policy)) {
            JsonNode first = RunningServer.json(
                    server.post("/v1/completions", body("the sea", false)).body());
            for (String other : new String[] {"mountains", "rivers", "the sun"}) { // they take the blocks of the first
                assertThat(server.post("/v1/completions", body(other, false)).statusCode())
                        .isEqualTo(200);
            }
            HttpResponse<String> again = server.post("/v1/completions", body("the sea", false));
            assertThat(faults[0].failed() + faults[0].flipped()).isPositive();
            assertThat(server.metric("sluice_kv_failed_loads_total", "")).isPositive();
            assertThat(server.metric("vllm:kv_offload_store_bytes_total", "tier=\"host\""))
                    .isPositive();
            assertThat(server.metric("vllm:kv_offload_load_bytes_total", "tier=\"host\""))
                    .as("no load was whole")
                    .isZero();
            if (policy.equals("recompute")) {
                assertThat(again.statusCode()).isEqualTo(200);
                assertThat(RunningServer.json(again.body()).at("/choices")).isEqualTo(first.at("/choices"));
                assertThat(server.metric("sluice_kv_recomputed_tokens_total", ""))
                        .isPositive();
            } else {
                assertThat(again.statusCode()).as(again.body()).isEqualTo(500);
                JsonNode error = RunningServer.json(again.body()).at("/error");
                assertThat(error.at("/type").asString()).isEqualTo("server_error");
                assertThat(error.at("/code").asString()).isEqualTo("internal_error");
                assertThat(server.metric("vllm:request_success_total", "error")).isEqualTo(1);
            }
            assertThat(server.post("/v1/completions", body("something else", true))
                            .body())
                    .endsWith("data: [DONE]\n\n")
                    .doesNotContain("\"error\"");
            RunningServer.await(() ->
                    server.bean(ContinuousBatchingScheduler.class).snapshot().blocksUsed() == 0);
            RunningServer.await(() -> server.bean(AdmissionControl.class).sequences() == 0);
        }
    }
}
