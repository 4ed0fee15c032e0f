package dev.sluice.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.load.Attack;
import dev.sluice.load.Bystander;
import dev.sluice.load.Bystander.Seen;
import java.net.URI;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * An ordinary client beside each attack: every call of it is answered, with the same tokens and scores as alone. How fast, the
 * load test measures; here the times are printed, and only one that is out of all proportion fails.
 */
class BystanderIT {

    private static final Duration TIME = Duration.ofSeconds(3);
    private static final double MILLIS_MAX = 20_000;

    private static RunningServer server;
    private static Bystander bystander;
    private static Seen alone;

    @BeforeAll
    static void start() throws Exception {
        server = new RunningServer("--sluice.executor.type=simulator");
        bystander = new Bystander(URI.create(server.base).getPort());
        alone = bystander.alone(TIME);
        assertThat(alone.answers()).hasSize(1);
        assertThat(alone.answers().keySet().iterator().next()).contains("\"finish_reason\":\"length\"");
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @AfterEach
    void nothingIsLeft() {
        RunningServer.await(() -> server.metric("sluice_admitted_sequences") == 0);
        RunningServer.await(() -> server.metric("sluice_answer_memory_bytes") == 0);
    }

    @ParameterizedTest
    @EnumSource
    void itsAnswersDoNotDependOnOthers(Attack attack) throws Exception {
        Seen seen = bystander.beside(attack, TIME);
        System.out.printf("beside %s: 99th percentile %.1f ms, alone %.1f ms%n", attack, seen.p99(), alone.p99());
        assertThat(seen.strikes()).isPositive();
        assertThat(seen.answers()).containsOnlyKeys(alone.answers().keySet());
        assertThat(seen.p99()).isLessThan(MILLIS_MAX);
    }
}
