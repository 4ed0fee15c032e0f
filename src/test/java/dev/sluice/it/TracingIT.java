package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.common.KeyValue;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.springframework.http.server.reactive.observation.ServerRequestObservationContext;

/** What a tracer would see of a request. */
class TracingIT {

    private static final String BODY =
            "\"messages\":[{\"role\":\"user\",\"content\":\"What is the capital of France?\"}],\"temperature\":0";

    @Test
    void theSpanOfEachRequestSaysWhereItsPromptCameFrom() throws Exception {
        BlockingQueue<Map<String, String>> spans = new LinkedBlockingQueue<>();
        try (RunningServer server = new RunningServer(beans -> beans.registerSingleton("spans", new Spans(spans)))) {
            server.post("/v1/chat/completions", "{" + BODY + "}");
            assertThat(spans.poll(10, TimeUnit.SECONDS))
                    .containsEntry("gen_ai.usage.input_tokens", "33")
                    .containsEntry("gen_ai.usage.output_tokens", "11")
                    .containsEntry("sluice.prompt.computed_tokens", "33")
                    .containsEntry("sluice.prompt.device_tokens", "0");
            server.post("/v1/chat/completions", "{" + BODY + ",\"stream\":true}");
            assertThat(spans.poll(10, TimeUnit.SECONDS))
                    .containsEntry("gen_ai.usage.input_tokens", "33")
                    .containsEntry("sluice.prompt.computed_tokens", "1")
                    .containsEntry("sluice.prompt.device_tokens", "32")
                    .containsEntry("sluice.prompt.host_tokens", "0")
                    .containsEntry("sluice.prompt.storage_tokens", "0");
            assertThat(server.getAt(server.management + "/actuator/prometheus").body())
                    .contains("http_server_requests_seconds_count")
                    .doesNotContain("gen_ai_usage");
        }
    }

    private record Spans(BlockingQueue<Map<String, String>> ended)
            implements ObservationHandler<ServerRequestObservationContext> {

        @Override
        public boolean supportsContext(Observation.Context context) {
            return context instanceof ServerRequestObservationContext server
                    && server.getCarrier().getPath().value().startsWith("/v1/chat");
        }

        @Override
        public void onStop(ServerRequestObservationContext context) {
            ended.add(context.getHighCardinalityKeyValues().stream()
                    .collect(Collectors.toMap(KeyValue::getKey, KeyValue::getValue)));
        }
    }
}
