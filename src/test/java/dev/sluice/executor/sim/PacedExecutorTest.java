package dev.sluice.executor.sim;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.kv.KvLayout;
import dev.sluice.runtime.SystemClock;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** Steps take their time. Only lower bounds are asserted: a busy machine may take longer. */
class PacedExecutorTest {

    private static final Duration STEP = Duration.ofMillis(30);

    private final PacedExecutor executor = new PacedExecutor(
            new SimulatedExecutor(SimulatedExecutor.spec(100, 64, new KvLayout(8, 16)), FaultPlan.NONE),
            STEP.toNanos(),
            new SystemClock());

    private PendingStep submit(int number) {
        StepPlan plan = new StepPlan();
        plan.begin(number);
        return executor.submit(plan);
    }

    @Test
    void aStepIsOverWhenItsTimeHasPassedAndNotBefore() {
        long start = System.nanoTime();
        PendingStep step = submit(1);
        step.join();
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(STEP.toNanos());
    }

    @Test
    void aStepBegunAheadFollowsTheOneBefore() {
        long start = System.nanoTime();
        PendingStep first = submit(1);
        PendingStep second = submit(2);
        first.join();
        second.join();
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(2 * STEP.toNanos());
    }

    @Test
    void anInterruptIsKeptAndShortensNothing() {
        long start = System.nanoTime();
        PendingStep step = submit(1);
        Thread.currentThread().interrupt();
        step.join();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(STEP.toNanos());
    }
}
