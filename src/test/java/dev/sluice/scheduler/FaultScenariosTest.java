package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.executor.StepResult;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.TokenEvent;
import dev.sluice.testkit.RecordingSink;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Executors that fail, readers that fail, and a pool that is too small: who pays, and who must not notice. */
class FaultScenariosTest {

    private static void assertFailed(RecordingSink sink) {
        assertThat(sink.terminal())
                .isInstanceOfSatisfying(
                        TokenEvent.Failed.class,
                        failed -> assertThat(failed.kind()).isEqualTo(FailureKind.INTERNAL));
    }

    private static void assertWhole(Bench bench, String name) {
        assertThat(bench.sinks.get(name).terminal())
                .as(name)
                .isEqualTo(new TokenEvent.Finished(FinishReason.LENGTH, -1));
        assertThat(bench.sinks.get(name).tokens()).as(name).isEqualTo(bench.demanded(name));
    }

    // F1
    @Test
    void aRequestThatFailsInAStepFailsAlone() {
        Bench bench = Bench.simulated(4, 64, s -> s);
        for (String name : List.of("a", "bad", "c")) {
            bench.add(name, bench.distinctPrompt(10), 6);
        }
        bench.step();
        bench.failing.add("bad");
        bench.runToEnd();
        assertFailed(bench.sinks.get("bad"));
        assertThat(bench.sinks.get("bad").tokens()).hasSize(1);
        assertWhole(bench, "a");
        assertWhole(bench, "c");
        assertThat(bench.snapshot().failedStepsInARow()).isZero();
        assertThat(bench.free()).isEqualTo(63);
    }

    // F1, where the others were to read what the failed one did not write
    @Test
    void requestsThatShareThePrefixOfAFailedOneAreComputedAnew() {
        Bench bench = Bench.simulated(4, 64, s -> s);
        int[] common = bench.distinctPrompt(21);
        for (String name : List.of("bad", "b", "c")) {
            bench.add(name, common.clone(), 6);
        }
        bench.add("other", bench.distinctPrompt(9), 6);
        bench.failing.add("bad");
        assertThat(bench.step()).isEqualTo("bad 21 new, b 1 new, c 1 new, other 9 new");
        assertThat(bench.step()).isEqualTo("other 1, b 21 resumed, c 1 resumed");
        bench.runToEnd();
        assertFailed(bench.sinks.get("bad"));
        assertThat(bench.ledger.preemptions).isEqualTo(2);
        for (String name : List.of("b", "c", "other")) {
            assertWhole(bench, name);
        }
    }

    // F2
    @Test
    void aStepThatFailsCostsThoseInItAndNobodyElse() {
        Bench bench = Bench.simulated(4, 64, s -> s.maxSequences(2));
        for (String name : List.of("a", "b", "waiting")) {
            bench.add(name, bench.distinctPrompt(10), 6);
        }
        bench.stepFailures.add(new ExecutorException(Scope.STEP, "something went wrong"));
        assertThat(bench.step()).isEqualTo("a 10 new, b 10 new");
        assertThat(bench.snapshot().failedStepsInARow()).isEqualTo(1);
        assertThat(bench.cache.pool().registered())
                .as("what was not computed cannot be found")
                .isZero();
        bench.runToEnd();
        assertFailed(bench.sinks.get("a"));
        assertFailed(bench.sinks.get("b"));
        assertWhole(bench, "waiting");
        assertThat(bench.snapshot().failedStepsInARow()).isZero();
    }

    // F2: any exception counts as the step's, not the process's
    @Test
    void failedStepsAreCountedUntilAProbeSucceeds() {
        Bench bench = Bench.simulated(4, 64, s -> s);
        for (int i = 1; i <= 3; i++) {
            bench.stepFailures.add(new IllegalStateException("failure " + i));
            bench.add("r" + i, bench.distinctPrompt(10), 6);
            bench.step();
            assertThat(bench.snapshot().failedStepsInARow()).isEqualTo(i);
        }
        assertThat(bench.step()).as("no probe at once").isEmpty();
        bench.stepFailures.add(new ExecutorException(Scope.STEP, "still broken"));
        bench.clock.advanceNanos(1_000_000_000);
        assertThat(bench.step()).isEqualTo("probe 1 new");
        assertThat(bench.snapshot().failedStepsInARow()).isEqualTo(4);
        assertThat(bench.step()).isEmpty();
        bench.clock.advanceNanos(1_000_000_000);
        assertThat(bench.step()).isEqualTo("probe 1 new");
        assertThat(bench.snapshot().failedStepsInARow()).isZero();
        assertThat(bench.free()).isEqualTo(63);
        bench.clock.advanceNanos(5_000_000_000L);
        assertThat(bench.step()).isEmpty();
    }

    // F3: the loop hands the failure on; ContinuousBatchingSchedulerTest shows what follows
    @Test
    void aLostDeviceEndsTheLoop() {
        Bench bench = new Bench(4, 64, s -> s);
        bench.add("a", bench.distinctPrompt(10), 6);
        bench.stepFailures.add(new ExecutorException(Scope.DEVICE, "the device is gone"));
        assertThatThrownBy(bench::step).hasMessage("the device is gone");
    }

    // F22
    @ParameterizedTest
    @ValueSource(ints = {StepResult.NO_TOKEN, -2, Bench.VOCABULARY, Integer.MAX_VALUE, Integer.MIN_VALUE})
    void aTokenOutsideOfTheVocabularyFailsItsRequestAlone(int token) {
        Bench bench = new Bench(4, 64, s -> s);
        bench.add("a", bench.distinctPrompt(10), 6);
        bench.add("bad", bench.distinctPrompt(10), 6);
        bench.answers.put("bad", new ArrayDeque<>(List.of(11, token)));
        bench.runToEnd();
        assertFailed(bench.sinks.get("bad"));
        assertThat(bench.sinks.get("bad").tokens()).containsExactly(11);
        assertThat(bench.sinks.get("a").tokens()).hasSize(6);
    }

    // F10
    @Test
    void aReaderThatThrowsLosesItsRequestAlone() {
        Bench bench = Bench.simulated(4, 64, s -> s);
        bench.add("a", bench.distinctPrompt(10), 6);
        GenerationRequest request = bench.requests.get("a");
        GenerationRequest broken = new GenerationRequest(
                "broken",
                bench.distinctPrompt(10),
                request.sampling(),
                0,
                null,
                Integer.MAX_VALUE,
                0,
                Long.MAX_VALUE,
                Long.MAX_VALUE,
                false);
        bench.submit("broken", broken, event -> {
            throw new IllegalStateException("cannot listen");
        });
        bench.runToEnd();
        assertWhole(bench, "a");
        assertThat(bench.ledger.ends).containsExactly(FinishReason.ABORT, FinishReason.LENGTH);
    }

    // F23
    @Test
    void aCancellationAtAnyMomentYieldsExactlyOneEnd() {
        int turns = crowdedHistory(-1, "none").size();
        assertThat(turns).isGreaterThan(10);
        for (int turn = 0; turn <= turns; turn++) {
            for (String victim : List.of("a", "b", "c")) {
                crowdedHistory(turn, victim);
            }
        }
    }

    /** Three requests that preempt each other; one is cancelled before the given turn. */
    private static List<String> crowdedHistory(int cancelTurn, String victim) {
        Bench bench = Bench.simulated(2, 7, s -> s.gate(false).budget(5));
        for (String name : List.of("a", "b", "c")) {
            bench.add(name, bench.distinctPrompt(5), 4);
        }
        List<String> orders = new ArrayList<>();
        do {
            if (orders.size() == cancelTurn) {
                bench.cancel(victim);
                bench.cancel(victim);
            }
            orders.add(bench.step());
        } while (bench.loop.hasRequests());
        bench.cancel(victim); // too late
        bench.step();
        bench.sinks.forEach((name, sink) -> {
            List<Integer> demanded = bench.demanded(name);
            if (name.equals(victim) && sink.finishReason() == FinishReason.ABORT) {
                assertThat(sink.tokens())
                        .isEqualTo(demanded.subList(0, sink.tokens().size()));
            } else {
                assertWhole(bench, name);
            }
        });
        assertThat(bench.ledger.ends).hasSize(3);
        assertThat(bench.free()).isEqualTo(6);
        return orders;
    }

    // F24
    @Test
    void inAPoolThatIsTooSmallTheOldestAlwaysProgressesAndAllEnd() {
        for (long seed = 0; seed < 50; seed++) {
            Random random = new Random(seed);
            int usable = 4 + random.nextInt(6);
            Bench bench = Bench.simulated(2, usable + 1, s -> s.gate(false).budget(1 + random.nextInt(9)));
            int count = 8;
            for (int i = 0; i < count; i++) {
                bench.add("r" + i, bench.distinctPrompt(1 + random.nextInt(4)), 1 + random.nextInt(4));
            }
            do {
                String oldest = bench.sinks.keySet().stream()
                        .filter(name -> !bench.sinks.get(name).isEnded())
                        .findFirst()
                        .orElseThrow();
                assertThat(bench.step()).as("seed " + seed).startsWith(oldest + " ");
            } while (bench.loop.hasRequests());
            for (String name : bench.sinks.keySet()) {
                assertWhole(bench, name);
            }
            int outputs = bench.ledger.generated;
            // Only an older request that takes a further block preempts, and it takes one every second token.
            assertThat(bench.ledger.preemptions).as("seed " + seed).isLessThanOrEqualTo(count * outputs / 2);
            assertThat(bench.ledger.ends).hasSize(count);
        }
    }
}
