package dev.sluice.api.connection;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.sluice.testkit.LogLines;
import dev.sluice.testkit.VirtualClock;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

class LogGateTest {

    private static final Logger SERVER = LoggerFactory.getLogger("reactor.netty.http.server.HttpServerOperations");

    private final VirtualClock clock = new VirtualClock();
    private final LogGate gate = LogGate.install(clock);
    private final LogLines log = LogLines.recordThread();

    @AfterEach
    void takeAway() {
        log.close();
        gate.destroy();
    }

    @Test
    void whatALibraryMakesOfABadRequestIsOneLine() {
        SERVER.error(
                "Decoding failed: {}\nAuthorization: Bearer secret",
                "bad \u001b[31mchunk",
                new IllegalStateException("no number\nat all"));
        assertThat(log.at(Level.TRACE))
                .containsExactly(
                        "WARN dev.sluice.api.connection.LogGate: reactor.netty.http.server.HttpServerOperations: "
                                + "Decoding failed: bad ?[31mchunk: java.lang.IllegalStateException: no number");
        assertThat(log.lines()).isEqualTo(1);
    }

    @Test
    void aThousandAreOneLineAndTheirCount() {
        for (int i = 0; i < 1000; i++) {
            SERVER.warn("Decoding failed", new IllegalStateException());
        }
        assertThat(log.lines()).isEqualTo(1);
        clock.advanceNanos(Duration.ofSeconds(10).toNanos());
        SERVER.warn("Decoding failed");
        assertThat(log.at(Level.WARN)).hasSize(2).last().asString().contains("999 more lines");
    }

    @Test
    void whatIsNoClientsDoingPasses() {
        LoggerFactory.getLogger("org.springframework.boot.SpringApplication").error("Application run failed");
        LoggerFactory.getLogger("io.netty.util.ResourceLeakDetector").error("LEAK: a buffer");
        SERVER.info("fine");
        assertThat(log.at(Level.ERROR)).hasSize(2);
    }

    @Test
    void itIsTakenAwayWithItsContext() {
        gate.destroy();
        SERVER.error("one");
        SERVER.error("two");
        assertThat(log.at(Level.ERROR)).hasSize(2);
    }
}
