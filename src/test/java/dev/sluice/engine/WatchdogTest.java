package dev.sluice.engine;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.sluice.engine.EngineStatus.Stage;
import dev.sluice.scheduler.SchedulerSnapshot;
import dev.sluice.testkit.VirtualClock;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** What the probes say when steps fail, and when one does not end. */
class WatchdogTest {

    private static final Duration LIMIT = Duration.ofSeconds(10);

    private final VirtualClock clock = new VirtualClock();
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();
    private final Logger logger = (Logger) LoggerFactory.getLogger(Watchdog.class);
    private final Watchdog watchdog = new Watchdog(this::snapshot, clock, LIMIT);
    private final EngineState state = new EngineState(() -> 0);
    private long lastTurn = clock.monotonicNanos();
    private int failedSteps;

    private SchedulerSnapshot snapshot() {
        return new SchedulerSnapshot(0, 0, 0, 0, 10, 0, 0, failedSteps, 0, false, lastTurn);
    }

    @BeforeEach
    void watch() {
        log.start();
        logger.setAdditive(false);
        logger.addAppender(log);
        state.watch(watchdog);
        state.enter(Stage.READY);
    }

    @AfterEach
    void stopListening() {
        logger.detachAppender(log);
        logger.setAdditive(true);
    }

    private void assertProbes(boolean ready, boolean alive) {
        watchdog.look();
        assertThat(state.isReady()).as("ready").isEqualTo(ready);
        assertThat(state.isAlive()).as("alive").isEqualTo(alive);
    }

    @Test
    void aHangCostsReadinessAfterTheLimitAndLivenessAfterTwiceThat() {
        clock.advanceNanos(LIMIT.toNanos());
        assertProbes(true, true);
        clock.advanceNanos(1);
        assertProbes(false, true);
        clock.advanceNanos(LIMIT.toNanos() - 1);
        assertProbes(false, true);
        clock.advanceNanos(2);
        assertProbes(false, false);
    }

    @Test
    void eachHangLeavesOneDumpOfAllThreads() {
        for (int hang = 1; hang <= 2; hang++) {
            clock.advanceNanos(LIMIT.toNanos());
            watchdog.look();
            assertThat(log.list).hasSize(hang - 1);
            for (int look = 0; look < 5; look++) {
                clock.advanceNanos(LIMIT.toNanos());
                watchdog.look();
            }
            assertThat(log.list).hasSize(hang);
            assertThat(log.list.getLast().getFormattedMessage())
                    .contains(Thread.currentThread().getName())
                    .contains("eachHangLeavesOneDumpOfAllThreads");
            lastTurn = clock.monotonicNanos();
            assertProbes(true, true);
        }
    }

    @Test
    void threeFailedStepsInARowCostReadinessUntilOneSucceeds() {
        failedSteps = 2;
        assertProbes(true, true);
        failedSteps = 3;
        assertProbes(false, true);
        failedSteps = 0;
        assertProbes(true, true);
    }

    @Test
    void aJumpOfTheWallClockIsNoHang() {
        clock.jumpWall(Duration.ofHours(1).toMillis());
        assertProbes(true, true);
    }

    @Test
    void theDeadStayDead() {
        state.enter(Stage.DEAD);
        state.enter(Stage.READY);
        assertProbes(false, false);
    }

    @Test
    void anEngineThatStillLoadsIsAliveAndNotReady() {
        EngineState loading = new EngineState(() -> 0);
        assertThat(loading.isReady()).isFalse();
        assertThat(loading.isAlive()).isTrue();
    }
}
