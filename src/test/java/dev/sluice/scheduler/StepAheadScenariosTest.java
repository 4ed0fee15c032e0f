package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.testkit.RecordingSink;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Steps that are begun before the one before is over: when they are, and what becomes of them. */
class StepAheadScenariosTest {

    private static Bench bench(int blockSize, int blockCount) {
        return Bench.simulated(blockSize, blockCount, s -> s.overlap(true));
    }

    private static void assertWhole(Bench bench, String... names) {
        for (String name : names) {
            assertThat(bench.sinks.get(name).terminal())
                    .as(name)
                    .isEqualTo(new TokenEvent.Finished(FinishReason.LENGTH, -1));
            assertThat(bench.sinks.get(name).tokens()).as(name).isEqualTo(bench.demanded(name));
        }
    }

    private static void assertFailed(Bench bench, String name, int tokens) {
        RecordingSink sink = bench.sinks.get(name);
        assertThat(sink.terminal())
                .isInstanceOfSatisfying(
                        TokenEvent.Failed.class,
                        failed -> assertThat(failed.kind()).isEqualTo(FailureKind.INTERNAL));
        assertThat(sink.tokens()).isEqualTo(bench.demanded(name).subList(0, tokens));
    }

    private static void assertNothingHeld(Bench bench) {
        bench.step();
        assertThat(bench.loop.hasRequests()).isFalse();
        assertThat(bench.free()).isEqualTo(bench.cache.pool().usable());
    }

    @Test
    void aStepIsSubmittedBeforeTheOneBeforeIsJoined() {
        Bench bench = bench(4, 64);
        bench.add("a", bench.distinctPrompt(5), 4);
        bench.step();
        assertThat(bench.calls).containsExactly("submit 1", "submit 2", "join 1");
        assertThat(bench.sinks.get("a").tokens()).hasSize(1);
        bench.step();
        bench.step();
        assertThat(bench.calls.subList(3, 7)).containsExactly("submit 3", "join 2", "submit 4", "join 3");
        bench.step();
        assertThat(bench.calls.subList(7, bench.calls.size()))
                .as("the last token ends the request, so nothing follows")
                .containsExactly("join 4");
        assertThat(bench.orders).containsExactly("a 5 new", "a 1", "a 1", "a 1");
        assertWhole(bench, "a");
        assertNothingHeld(bench);
    }

    @Test
    void withoutTheSwitchEveryStepIsJoinedFirst() {
        Bench bench = Bench.simulated(4, 64, s -> s.overlap(false));
        bench.add("a", bench.distinctPrompt(5), 3);
        bench.runToEnd();
        assertThat(bench.calls).containsExactly("submit 1", "join 1", "submit 2", "join 2", "submit 3", "join 3");
    }

    @Test
    void aRequestThatStopsWastesItsLineAndSaysNothingMore() {
        Bench bench = new Bench(4, 64, s -> s.overlap(true));
        SamplingParams stops =
                new SamplingParams.Builder().maxTokens(9).stopTokenIds(12).build();
        bench.add("stops", bench.distinctPrompt(5), stops, 0, 0, null);
        bench.add("b", bench.distinctPrompt(5), 4);
        bench.answers.put("stops", new ArrayDeque<>(List.of(11, 12, 13)));
        bench.runToEnd();
        assertThat(bench.orders).containsExactly("stops 5 new, b 5 new", "stops 1, b 1", "stops 1, b 1", "b 1");
        assertThat(bench.sinks.get("stops").tokens()).containsExactly(11, 12);
        assertThat(bench.sinks.get("stops").terminal()).isEqualTo(new TokenEvent.Finished(FinishReason.STOP, 12));
        assertThat(bench.ledger.steps)
                .as("the wasted line counts nowhere")
                .containsExactly(List.of(2, 10, 2), List.of(2, 0, 2), List.of(1, 0, 1), List.of(1, 0, 1));
        assertThat(bench.ledger.generated).isEqualTo(6);
        assertNothingHeld(bench);
    }

    @Test
    void aStepThatNobodyWaitsForAnyMoreIsJoinedAndForgotten() {
        Bench bench = new Bench(4, 64, s -> s.overlap(true));
        bench.add("a", bench.distinctPrompt(5), 9);
        bench.step();
        bench.cancel("a");
        bench.joinFailures.put(2L, new ExecutorException(Scope.STEP, "lost"));
        bench.step();
        assertThat(bench.calls).containsExactly("submit 1", "submit 2", "join 1", "join 2");
        assertThat(bench.ledger.steps).hasSize(1);
        assertThat(bench.snapshot().failedStepsInARow()).isZero();
        assertNothingHeld(bench);
    }

    @Test
    void aCancelledRequestEndsAtOnceAndOthersGoOn() {
        Bench bench = bench(4, 64);
        bench.add("a", bench.distinctPrompt(5), 9);
        bench.add("b", bench.distinctPrompt(6), 9);
        bench.step();
        bench.cancel("a");
        bench.step();
        assertThat(bench.sinks.get("a").tokens()).hasSize(1);
        assertThat(bench.sinks.get("a").finishReason()).isEqualTo(FinishReason.ABORT);
        bench.runToEnd();
        assertWhole(bench, "b");
        assertNothingHeld(bench);
    }

    @Test
    void aStepThatFailsTakesTheOneBegunAfterItAlong() {
        Bench bench = bench(4, 64);
        bench.joinFailures.put(1L, new ExecutorException(Scope.STEP, "lost"));
        bench.add("a", bench.distinctPrompt(8), 9);
        bench.add("b", bench.distinctPrompt(6), 9);
        bench.step();
        assertThat(bench.calls).containsExactly("submit 1", "submit 2", "join 1");
        assertFailed(bench, "a", 0);
        assertFailed(bench, "b", 0);
        assertThat(bench.cache.pool().registered())
                .as("what was not computed cannot be found")
                .isZero();
        bench.add("c", bench.distinctPrompt(6), 3);
        bench.step();
        assertThat(bench.orders.getLast())
                .as("c is admitted once nothing is under way")
                .isEqualTo("a 1, b 1");
        assertThat(bench.snapshot().failedStepsInARow()).isEqualTo(1);
        bench.runToEnd();
        assertWhole(bench, "c");
        assertThat(bench.snapshot().failedStepsInARow()).isZero();
        assertNothingHeld(bench);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aStepBegunAheadThatFailsCostsThoseWhoStillWaitForIt(boolean refused) {
        Bench bench = bench(4, 64);
        bench.add("ends", bench.distinctPrompt(8), 2);
        bench.add("b", bench.distinctPrompt(6), 9);
        bench.add("c", bench.distinctPrompt(6), 9);
        bench.step();
        ExecutorException failure = new ExecutorException(Scope.STEP, "lost");
        if (refused) {
            bench.stepFailures.add(failure);
        } else {
            bench.joinFailures.put(3L, failure);
        }
        bench.step();
        assertWhole(bench, "ends");
        assertThat(bench.sinks.get("b").tokens()).hasSize(2);
        bench.cancel("c");
        bench.step();
        assertFailed(bench, "b", 2);
        assertThat(bench.sinks.get("c").finishReason()).isEqualTo(FinishReason.ABORT);
        assertThat(bench.snapshot().failedStepsInARow()).isEqualTo(1);
        assertNothingHeld(bench);
    }

    @Test
    void whoIsComputedAnewAfterAFailureOfItsPrefixLosesItsLine() {
        Bench bench = bench(4, 64);
        int[] common = bench.distinctPrompt(21);
        for (String name : List.of("bad", "b", "c")) {
            bench.add(name, common.clone(), 6);
        }
        bench.add("other", bench.distinctPrompt(9), 6);
        bench.failing.add("bad");
        bench.step();
        assertThat(bench.orders)
                .containsExactly("bad 21 new, b 1 new, c 1 new, other 9 new", "bad 1, b 1, c 1, other 1");
        assertFailed(bench, "bad", 0);
        bench.step();
        bench.step();
        assertThat(bench.orders.get(2)).isEqualTo("other 1, b 21 resumed, c 1 resumed");
        bench.runToEnd();
        assertThat(bench.ledger.preemptions).isEqualTo(2);
        assertWhole(bench, "b", "c", "other");
        assertNothingHeld(bench);
    }

    @Test
    void aLostDeviceEndsTheLoopWhicheverStepShowsIt() {
        for (long step = 1; step <= 3; step++) {
            Bench bench = new Bench(4, 64, s -> s.overlap(true));
            bench.add("a", bench.distinctPrompt(10), 6);
            bench.joinFailures.put(step, new ExecutorException(Scope.DEVICE, "the device is gone"));
            assertThatThrownBy(bench::runToEnd).hasMessage("the device is gone");
            bench.loop.abandonAll("the engine has failed");
            assertThat(bench.calls).contains("join " + step, "join " + (step + 1));
        }
    }

    @Test
    void aBlockThatEndsWithATokenNotYetKnownIsFoundOnceItIsComputed() {
        Bench bench = bench(4, 64);
        bench.add("a", bench.distinctPrompt(3), 6);
        bench.step();
        assertThat(bench.orders).containsExactly("a 3 new", "a 1");
        assertThat(bench.cache.pool().registered()).isZero();
        bench.step();
        assertThat(bench.cache.pool().registered()).isEqualTo(1);
        bench.runToEnd();
        assertWhole(bench, "a");
        int[] prompt = Arrays.copyOf(bench.requests.get("a").promptTokenIds(), 9);
        for (int i = 3; i < 9; i++) {
            prompt[i] = bench.demanded("a").get(i - 3);
        }
        bench.add("again", prompt, 1);
        bench.step();
        assertThat(bench.orders.getLast()).isEqualTo("again 1 new");
        assertWhole(bench, "again");
    }

    @Test
    void blocksAreTakenAheadAcrossTheirBoundariesAndThePoolEndsFull() {
        for (int prompt = 1; prompt < 9; prompt++) {
            Bench bench = bench(4, 16);
            bench.add("a", bench.distinctPrompt(prompt), 10);
            bench.add("b", bench.distinctPrompt(prompt + 1), 10);
            bench.runToEnd();
            assertThat(bench.calls).containsSubsequence("submit 9", "join 8", "submit 10", "join 9");
            assertWhole(bench, "a", "b");
            assertNothingHeld(bench);
        }
    }

    @Test
    void whereABlockIsLackingNothingIsBegunAheadAndThePlannerPreempts() {
        Bench bench = Bench.simulated(2, 7, s -> s.overlap(true).gate(false));
        bench.add("a", bench.distinctPrompt(5), 4);
        bench.add("b", bench.distinctPrompt(5), 4);
        bench.step();
        bench.step();
        assertThat(bench.calls).containsExactly("submit 1", "submit 2", "join 1", "join 2");
        assertThat(bench.ledger.preemptions).isZero();
        bench.runToEnd();
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        assertThat(bench.orders).containsExactly("a 5 new, b 5 new", "a 1, b 1", "a 1", "a 1", "b 3 resumed", "b 1");
        assertWhole(bench, "a", "b");
    }

    @Test
    void whoArrivesIsAdmittedAfterTheStepUnderWay() {
        Bench bench = bench(4, 64);
        bench.add("a", bench.distinctPrompt(5), 9);
        bench.step();
        bench.add("b", bench.distinctPrompt(6), 9);
        bench.step();
        assertThat(bench.calls).containsExactly("submit 1", "submit 2", "join 1", "join 2");
        bench.step();
        assertThat(bench.orders.subList(2, 4)).containsExactly("a 1, b 6 new", "a 1, b 1");
        bench.runToEnd();
        assertWhole(bench, "a", "b");
    }

    @Test
    void whoWaitsForASeatHoldsNobodyUpUntilOneBecomesFree() {
        Bench bench = Bench.simulated(4, 64, s -> s.overlap(true).maxSequences(1));
        bench.add("a", bench.distinctPrompt(5), 3);
        bench.add("b", bench.distinctPrompt(6), 2);
        bench.step();
        bench.step();
        bench.step();
        assertThat(bench.calls).containsExactly("submit 1", "submit 2", "join 1", "submit 3", "join 2", "join 3");
        bench.runToEnd();
        assertThat(bench.orders).containsExactly("a 5 new", "a 1", "a 1", "b 6 new", "b 1");
        assertWhole(bench, "a", "b");
    }

    @Test
    void aPromptInPiecesIsComputedStepByStep() {
        Bench bench = Bench.simulated(4, 64, s -> s.overlap(true).budget(8));
        bench.add("a", bench.distinctPrompt(3), 9);
        bench.step();
        bench.add("b", bench.distinctPrompt(20), 3);
        bench.runToEnd();
        assertThat(bench.orders.subList(2, 6)).containsExactly("a 1, b 7 new", "a 1, b 7", "a 1, b 6", "a 1, b 1");
        assertThat(bench.calls)
                .containsSubsequence("join 2", "submit 3", "join 3", "submit 4", "join 4", "submit 5", "submit 6");
        assertWhole(bench, "a", "b");
    }

    @Test
    void whoFoundNoRoomInAStepIsNotLeftOutOfTheNext() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 4);
        Bench bench = new Bench(4, 64, s -> s.overlap(true).budget(8), connector);
        bench.add("loses", bench.distinctPrompt(8), 9);
        bench.add("b", bench.distinctPrompt(1), 9);
        bench.failLoadsInStep = () -> connector.reportInvalid(1, 0);
        bench.step();
        bench.step();
        bench.step();
        assertThat(bench.orders.subList(0, 3)).containsExactly("loses 4 new, b 1 new", "loses 8", "loses 1, b 1");
        assertThat(bench.calls).startsWith("submit 1", "join 1", "submit 2", "join 2", "submit 3", "submit 4");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aResetWaitsForTheStepUnderWay(boolean preempt) {
        Bench bench = bench(4, 64);
        bench.add("a", bench.distinctPrompt(9), 6);
        bench.step();
        assertThat(bench.loop.resetPrefixCache(preempt, false)).isEqualTo(preempt);
        assertThat(bench.calls).containsExactly("submit 1", "submit 2", "join 1", "join 2");
        bench.loop.verifyBooks();
        assertThat(bench.sinks.get("a").tokens()).hasSize(2);
        bench.step();
        assertThat(bench.orders.get(2)).isEqualTo(preempt ? "a 11 resumed" : "a 1");
        bench.runToEnd();
        assertWhole(bench, "a");
    }

    @Test
    void whenEverythingIsEndedTheStepUnderWayIsToo() {
        Bench bench = bench(4, 64);
        bench.add("a", bench.distinctPrompt(9), 6);
        bench.step();
        bench.loop.failAll(FailureKind.DRAINING, "the server is shutting down");
        assertThat(bench.calls).containsExactly("submit 1", "submit 2", "join 1", "join 2");
        assertThat(bench.sinks.get("a").tokens()).hasSize(1);
        assertThat(bench.sinks.get("a").finishReason()).isNull();
        assertNothingHeld(bench);
    }

    @Test
    void aSessionIsComputedStepByStep() {
        Bench bench = new Bench(4, 64, s -> s.overlap(true));
        GenerationRequest session = new GenerationRequest(
                "s",
                bench.distinctPrompt(5),
                SamplingParams.greedy(3),
                0,
                null,
                Integer.MAX_VALUE,
                0,
                Long.MAX_VALUE,
                Long.MAX_VALUE,
                true);
        bench.add("s", session);
        bench.step();
        bench.step();
        assertThat(bench.calls).containsExactly("submit 1", "join 1", "submit 2", "join 2");
    }

    @Test
    void aStepThatLoadsIsFollowedByNoneBegunAhead() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 32, 0).asynchronous();
        Bench bench = new Bench(16, 20, s -> s.overlap(true), connector);
        bench.add("loads", bench.distinctPrompt(40), 1);
        bench.add("runs", bench.distinctPrompt(20), 9);
        bench.step();
        bench.step();
        assertThat(bench.calls).containsExactly("submit 1", "join 1", "submit 2", "join 2");
        connector.reportReceived(1);
        bench.runToEnd();
        assertThat(bench.calls).containsSubsequence("submit 5", "join 4");
    }

    @Test
    void theConnectorIsToldOnlyOfWhatIsCertain() {
        ScriptedConnector connector = new ScriptedConnector();
        Bench bench = new Bench(4, 64, s -> s.overlap(true), connector);
        bench.add("a", bench.distinctPrompt(5), 9);
        bench.step();
        assertThat(connector.planned).containsExactly("1: 0 and 5", "1: 0 and 6");
        assertThat(connector.computed(1)).isEqualTo(5);
        bench.step();
        assertThat(connector.planned.getLast()).isEqualTo("1: 5 and 2");
        assertThat(connector.computed(1)).isEqualTo(6);
    }
}
