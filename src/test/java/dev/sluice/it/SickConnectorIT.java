package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.offload.KvConnector;
import dev.sluice.testkit.FlakyConnector;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.config.BeanPostProcessor;
import tools.jackson.databind.JsonNode;

/** What an operator sees of a connector that fails. */
class SickConnectorIT {

    private static final int FAILURES_MAX = 3;

    private static RunningServer serverWith(UnaryOperator<KvConnector> between) {
        return new RunningServer(
                beans -> beans.addBeanPostProcessor(new BeanPostProcessor() {
                    @Override
                    public Object postProcessAfterInitialization(Object bean, String name) {
                        return bean instanceof KvConnector connector ? between.apply(connector) : bean;
                    }
                }),
                "--sluice.executor.type=simulator",
                "--sluice.kv.blocks=14",
                "--sluice.offload.host-memory=12MB",
                "--sluice.offload.connector-failures-max=" + FAILURES_MAX);
    }

    private static void complete(RunningServer server, String topic) {
        String body = "{\"prompt\":\"" + ("We all know much about " + topic + " and its many parts. ").repeat(6)
                + "\",\"max_tokens\":2,\"temperature\":0,\"ignore_eos\":true}";
        assertThat(server.post("/v1/completions", body).statusCode()).isEqualTo(200);
    }

    private static JsonNode connector(RunningServer server) {
        String health =
                server.getAt(server.management + "/actuator/health/offload").body();
        JsonNode connector = RunningServer.json(health).findValue("connector");
        assertThat(connector).as(health).isNotNull();
        return connector;
    }

    @Test
    void oneThatKeepsFailingIsSwitchedOffWhichHealthShowsAndNobodyFeels() {
        try (RunningServer server =
                serverWith(connector -> new FlakyConnector(connector, "match"::equals, call -> false))) {
            assertThat(connector(server).at("/state").asString()).isEqualTo("on");
            for (int i = 0; i < FAILURES_MAX + 1; i++) {
                complete(server, "number " + i);
            }
            RunningServer.await(() -> connector(server).at("/state").asString().equals("off"));
            assertThat(connector(server).at("/failures").intValue()).isEqualTo(FAILURES_MAX);
            assertThat(server.get("/health/ready").statusCode()).isEqualTo(200);
            assertThat(server.getAt(server.management + "/actuator/health").statusCode())
                    .isEqualTo(200);
            complete(server, "the rest");
        }
    }
}
