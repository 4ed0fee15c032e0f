package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import dev.sluice.admission.AdmissionControl;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Clients that go away, and choices that end at different times. */
class StreamFaultIT {

    private static RunningServer server;
    private static final Queue<ILoggingEvent> LOG = new ConcurrentLinkedQueue<>();
    private static final AppenderBase<ILoggingEvent> APPENDER = new AppenderBase<>() {
        @Override
        protected void append(ILoggingEvent event) {
            LOG.add(event);
        }
    };

    @BeforeAll
    static void start() {
        server = new RunningServer();
        APPENDER.start();
        root().addAppender(APPENDER);
    }

    @AfterAll
    static void stop() {
        root().detachAppender(APPENDER);
        server.close();
    }

    private static Logger root() {
        return (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
    }

    private static void everythingIsGivenBack() {
        RunningServer.await(
                () -> server.bean(ContinuousBatchingScheduler.class).snapshot().blocksUsed() == 0);
        RunningServer.await(() -> server.bean(AdmissionControl.class).sequences() == 0);
        server.checkThatSourcesAddUp();
        assertThat(LOG).noneMatch(event -> event.getLevel().isGreaterOrEqual(Level.ERROR));
    }

    /** Sends a stream's request and hangs up after so many bytes of the answer; -1 in the middle of the request. */
    private static void hangUpAfter(int bytes) throws IOException {
        String body = "{\"prompt\":\"Once upon a time\",\"max_tokens\":4000,\"temperature\":0,\"ignore_eos\":true,"
                + "\"skip_special_tokens\":false,\"stream\":true}";
        String request = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                + "Content-Length: " + body.length() + "\r\n\r\n" + body;
        try (Socket socket = new Socket("localhost", URI.create(server.base).getPort())) {
            int sent = bytes < 0 ? request.length() - 20 : request.length();
            socket.getOutputStream().write(request.substring(0, sent).getBytes(StandardCharsets.US_ASCII));
            socket.getInputStream().readNBytes(Math.max(0, bytes));
            socket.setSoLinger(bytes % 2 == 0, 0); // half of them reset, half of them close
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 1, 12, 200, 1001, 5000})
    void aClientThatHangsUpGivesEverythingBack(int bytes) throws IOException {
        hangUpAfter(bytes);
        everythingIsGivenBack();
    }

    @Test
    void hundredsThatHangUpAtOnceLeaveNothingBehind() throws Exception { // with 300 clients instead of 5,000
        Random random = new Random(3);
        try (ExecutorService clients = Executors.newFixedThreadPool(32)) {
            for (int i = 0; i < 300; i++) {
                int bytes = random.nextInt(3000) - 300;
                clients.submit(() -> {
                    hangUpAfter(Math.max(-1, bytes));
                    return null;
                });
            }
        }
        everythingIsGivenBack();
        assertThat(server.post("/v1/completions", "{\"prompt\":\"Hello\",\"max_tokens\":3}")
                        .statusCode())
                .isEqualTo(200);
    }

    @Test
    void choicesThatEndEarlyLeaveTheOthersAlone() {
        String body = "{\"messages\":[{\"role\":\"user\",\"content\":\"Tell me about the sea.\"}],\"n\":16,\"seed\":1,"
                + "\"temperature\":1,\"max_tokens\":40,\"stop\":[\"the\",\"is\"],\"stream\":true}";
        String stream = server.post("/v1/chat/completions", body).body();
        List<List<String>> reasons = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            reasons.add(new ArrayList<>());
        }
        StringBuilder[] texts = new StringBuilder[16];
        for (String event : stream.split("\n\n")) {
            if (event.equals("data: [DONE]")) {
                continue;
            }
            JsonNode choice = JsonMapper.shared()
                    .readTree(event.substring("data: ".length()))
                    .at("/choices/0");
            int index = choice.at("/index").intValue();
            assertThat(reasons.get(index))
                    .as("nothing comes after the end of a choice")
                    .isEmpty();
            texts[index] = texts[index] == null ? new StringBuilder() : texts[index];
            texts[index].append(choice.at("/delta/content").asString(""));
            if (choice.at("/finish_reason").isString()) {
                reasons.get(index).add(choice.at("/finish_reason").asString());
            }
        }
        assertThat(reasons).allSatisfy(reason -> assertThat(reason).hasSize(1));
        assertThat(reasons).anyMatch(reason -> reason.contains("stop"));
        assertThat(texts).allSatisfy(text -> assertThat(text.toString()).doesNotContain("the", "is"));
        assertThat(stream.split("data: \\[DONE]", -1)).hasSize(2);
        assertThat(stream).endsWith("data: [DONE]\n\n");
        everythingIsGivenBack();
    }
}
