package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.scheduler.SchedulerSettings.Policy;
import dev.sluice.testkit.RecordingSink;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Deadlines, wherever the clock stands: it has no origin, and may pass its largest number in the middle of a request. */
class DeadlineScenariosTest {

    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);
    private static final long NONE = GenerationRequest.NO_DEADLINE;

    /** Seconds that are left until the clock's largest number; 0 for a clock that is far from it. */
    private static Bench bench(long secondsLeft, int sequences) {
        Bench bench = new Bench(4, 64, s -> s.maxSequences(sequences).contextLength(240));
        if (secondsLeft > 0) {
            bench.clock.advanceNanos(Long.MAX_VALUE - secondsLeft * SECOND - bench.clock.monotonicNanos());
        }
        return bench;
    }

    private static RecordingSink add(Bench bench, String name, long queueDeadline, long deadline) {
        return bench.add(
                name,
                new GenerationRequest(
                        name,
                        bench.distinctPrompt(5),
                        SamplingParams.greedy(200),
                        0,
                        null,
                        Integer.MAX_VALUE,
                        bench.clock.monotonicNanos(),
                        queueDeadline,
                        deadline,
                        false));
    }

    private static long after(long now, int seconds) {
        return GenerationRequest.deadline(now, Duration.ofSeconds(seconds));
    }

    private static void assertExpired(RecordingSink sink) {
        assertThat(sink.terminal())
                .isInstanceOfSatisfying(
                        TokenEvent.Failed.class,
                        failed -> assertThat(failed.kind()).isEqualTo(FailureKind.DEADLINE));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 5, 30, 100})
    void aRequestThatRunsEndsWithItsDeadlineAndNotBefore(long secondsLeft) {
        Bench bench = bench(secondsLeft, 8);
        long now = bench.clock.monotonicNanos();
        RecordingSink timed = add(bench, "timed", after(now, 1), after(now, 10));
        RecordingSink free = add(bench, "free", NONE, NONE);
        for (int second = 0; second < 9; second++) {
            bench.step();
            bench.clock.advanceNanos(SECOND);
        }
        bench.step();
        assertThat(timed.isEnded()).as("after nine seconds").isFalse();
        assertThat(timed.tokens()).hasSize(10);
        bench.clock.advanceNanos(SECOND);
        bench.step();
        assertExpired(timed);
        assertThat(bench.ledger.ends).containsExactly(FinishReason.ABORT);
        bench.clock.advanceNanos(1000 * SECOND);
        bench.step();
        assertThat(free.isEnded()).as("without a deadline").isFalse();
        bench.runToEnd();
        assertThat(free.tokens()).hasSize(200);
        assertThat(bench.free()).isEqualTo(63);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 5, 30, 100})
    void whoIsNotScheduledInTimeEndsAndWhoWasIsSpared(long secondsLeft) {
        Bench bench = bench(secondsLeft, 1);
        long now = bench.clock.monotonicNanos();
        RecordingSink first = add(bench, "first", after(now, 5), NONE);
        RecordingSink second = add(bench, "second", after(now, 5), NONE);
        bench.step();
        bench.clock.advanceNanos(4 * SECOND);
        bench.step();
        assertThat(second.isEnded()).as("after four seconds").isFalse();
        bench.clock.advanceNanos(SECOND);
        bench.step();
        assertExpired(second);
        assertThat(second.tokens()).isEmpty();
        assertThat(first.isEnded()).isFalse();
        assertThat(bench.snapshot().waiting()).isZero();
    }

    @Test
    void priorityKeepsTheOrderOfArrivalWhileTheClockPassesItsLargestNumber() {
        Bench bench = new Bench(16, 64, s -> s.policy(Policy.PRIORITY));
        long late = Long.MAX_VALUE - 1;
        bench.add("third", bench.distinctPrompt(4), SamplingParams.greedy(2), 1, late + 20, null);
        bench.add("second", bench.distinctPrompt(4), SamplingParams.greedy(2), 1, late + 10, null);
        bench.add("first", bench.distinctPrompt(4), SamplingParams.greedy(2), 1, late, null);
        assertThat(bench.step()).isEqualTo("first 4 new, second 4 new, third 4 new");
    }

    @Test
    void aDeadlineIsNeverTakenForNone() {
        long now = Long.MAX_VALUE - 5 * SECOND;
        assertThat(after(now, 5)).isNotEqualTo(NONE).isEqualTo(Long.MAX_VALUE - 1);
        assertThat(after(now, 6)).as("beyond the largest number").isNegative();
        assertThat(GenerationRequest.deadline(now, Duration.ofDays(365_000))).isEqualTo(NONE);
    }
}
