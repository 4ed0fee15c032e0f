package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.ExecutorException;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Loads that fail, with the numbers of vLLM's recovery tests: three requests of 100 blocks, 99 of them promised. */
class LoadFailureScenariosTest {

    private static Bench threeRequests(ScriptedConnector connector, LoadFailurePolicy policy) {
        Bench bench = new Bench(16, 1000, s -> s.budget(10_000).onLoadFailure(policy), connector.answerAll(1584));
        bench.add("a", bench.distinctPrompt(1600), 1);
        bench.add("b", bench.distinctPrompt(1600), 1);
        bench.add("c", bench.distinctPrompt(1600), 1);
        return bench;
    }

    private static int[] positions(String list) {
        return java.util.Arrays.stream(list.split("\\+"))
                .mapToInt(Integer::parseInt)
                .toArray();
    }

    @ParameterizedTest
    @CsvSource({"0+98, 0", "50+98, 800", "98, 1568"})
    void aFailedLoadBesideTheStepsKeepsWhatCameBeforeTheFirstBadBlock(String invalid, int valid) {
        ScriptedConnector connector = new ScriptedConnector().asynchronous();
        Bench bench = threeRequests(connector, LoadFailurePolicy.RECOMPUTE);
        assertThat(bench.step()).isEmpty();
        connector.reportInvalid(2, positions(invalid));
        assertThat(bench.step()).isEmpty();
        assertThat(connector.computed(1)).isEqualTo(1584);
        assertThat(connector.computed(2)).isEqualTo(valid);
        assertThat(connector.computed(3)).isEqualTo(1584);
        assertThat(bench.snapshot().waitingDeferred()).isEqualTo(3);
        assertThat(connector.count("match")).isEqualTo(3);
        assertThat(bench.ledger.failedLoads).isEqualTo(1);

        connector.reportReceived(1, 2, 3);
        if (valid == 0) { // nothing of use: it looks again, and is promised the same
            assertThat(bench.step()).isEqualTo("a 16 new, c 16 new");
            assertThat(connector.count("match 2")).isEqualTo(2);
        } else {
            assertThat(bench.step()).isEqualTo("a 16 new, b " + (1600 - valid) + " new, c 16 new");
            assertThat(bench.record("b")).isEqualTo(new PrefillRecord(1600, 0, 1584));
        }
    }

    @ParameterizedTest
    @CsvSource({"0+98, 1600", "50+98, 800", "98, 32"})
    void aFailedLoadInsideTheStepIsComputedInTheNextOne(String invalid, int next) {
        ScriptedConnector connector = new ScriptedConnector();
        Bench bench = threeRequests(connector, LoadFailurePolicy.RECOMPUTE);
        bench.failLoadsInStep = () -> connector.reportInvalid(2, positions(invalid));
        assertThat(bench.step()).isEqualTo("a 16 new, b 16 new, c 16 new");
        assertThat(bench.snapshot().running()).isEqualTo(1);
        assertThat(connector.computed(2)).isEqualTo(1600 - next);
        assertThat(connector.count("finished")).isEqualTo(2);
        assertThat(bench.sinks.get("b").tokens()).isEmpty();
        assertThat(bench.free()).isEqualTo(999 - 100);
        assertThat(bench.cache.pool().hash(connector.blockAt(2, 98))).isNull();

        assertThat(bench.step()).isEqualTo("b " + next);
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(1600, 0, 1584));
        assertThat(bench.record("b").computedTokens()).isEqualTo(16);
        assertThat(bench.free()).isEqualTo(999);
    }

    @Test
    void underThePolicyFailTheRequestEndsAndItsBlocksAreFoundOnlyBeforeTheBadOne() {
        ScriptedConnector connector = new ScriptedConnector();
        Bench bench = new Bench(
                16, 1000, s -> s.budget(10_000).onLoadFailure(LoadFailurePolicy.FAIL), connector.answerAll(1584));
        bench.add("a", bench.distinctPrompt(1600), 1);
        bench.failLoadsInStep = () -> connector.reportInvalid(1, 50);
        assertThat(bench.step()).isEqualTo("a 16 new");
        assertThat(bench.sinks.get("a").terminal()).isInstanceOf(TokenEvent.Failed.class);
        assertThat(bench.sinks.get("a").tokens()).isEmpty();
        assertThat(bench.ledger.records).isEmpty();
        for (int i = 0; i < 100; i++) {
            assertThat(bench.cache.pool().hash(connector.blockAt(1, i)) != null).isEqualTo(i < 50);
        }
        assertThat(bench.ledger.externalQueries).isEqualTo(1600);
        assertThat(bench.ledger.externalHits).isEqualTo(1584);
        assertThat(bench.free()).isEqualTo(999);
    }

    @Test
    void underThePolicyFailARequestThatWaitsForItsLoadEndsAndItsBlocksAreKept() {
        ScriptedConnector connector = new ScriptedConnector().asynchronous();
        Bench bench = threeRequests(connector, LoadFailurePolicy.FAIL);
        bench.step();
        connector.reportInvalid(2, 50);
        bench.step();
        assertThat(bench.sinks.get("b").terminal()).isInstanceOf(TokenEvent.Failed.class);
        assertThat(bench.free()).isEqualTo(999 - 297);
        connector.reportReceived(1, 2, 3);
        assertThat(bench.step()).isEqualTo("a 16 new, c 16 new");
        assertThat(bench.free()).isEqualTo(999);
    }

    @ParameterizedTest
    @CsvSource({"0+50+98, 0+0+0", "98+50+0, 1568+800+0"})
    void failuresReportedOneByOneOnlyEverLowerWhatIsValid(String order, String computed) {
        ScriptedConnector connector = new ScriptedConnector().asynchronous().answerAll(1584);
        Bench bench = new Bench(16, 1000, s -> s.budget(10_000), connector);
        bench.add("a", bench.distinctPrompt(1600), 1);
        bench.step();
        int[] invalid = positions(order);
        int[] expected = positions(computed);
        for (int i = 0; i < invalid.length; i++) {
            connector.reportInvalid(1, invalid[i]);
            assertThat(bench.step()).isEmpty();
            assertThat(connector.computed(1)).isEqualTo(expected[i]);
            assertThat(bench.snapshot().waitingDeferred()).isEqualTo(1);
        }
        assertThat(connector.count("match")).isEqualTo(1);
    }

    @Test
    void whoSharesABlockThatWasNotLoadedComputesItToo() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 32).answer(2, 0);
        Bench bench = new Bench(16, 100, s -> s, connector);
        int[] prompt = bench.distinctPrompt(64);
        bench.add("a", prompt, 1);
        bench.add("b", prompt, 1);
        bench.failLoadsInStep = () -> connector.reportInvalid(1, 1);
        assertThat(bench.step()).isEqualTo("a 32 new, b 16 new");
        assertThat(bench.sinks.get("a").tokens()).isEmpty();
        assertThat(bench.sinks.get("b").tokens()).isEmpty();
        assertThat(bench.step()).isEqualTo("a 48, b 48");
        assertThat(List.of(
                        bench.sinks.get("a").tokens().size(),
                        bench.sinks.get("b").tokens().size()))
                .containsExactly(1, 1);
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(64, 48, 0));
        assertThat(bench.free()).isEqualTo(99);
    }

    @Test
    void aConnectorThatKeepsBreakingItsPromisesIsNotAskedForEver() {
        ScriptedConnector connector = new ScriptedConnector().asynchronous().answerAll(32);
        Bench bench = new Bench(16, 10, s -> s, connector);
        bench.add("a", bench.distinctPrompt(40), SamplingParams.greedy(1), 0, 0, null);
        for (int i = 0; i < RemoteLoads.FAILURES_MAX; i++) {
            assertThat(bench.step()).isEmpty();
            connector.reportInvalid(1, 0);
            bench.step();
            connector.reportReceived(1);
        }
        assertThat(bench.step()).isEqualTo("a 40 new");
        assertThat(connector.count("match")).isEqualTo(RemoteLoads.FAILURES_MAX);
        assertThat(bench.free()).isEqualTo(9);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whoBeganALoadBehindBlocksThatAFailedStepDidNotComputeComputesThem(boolean wholeStep) {
        ScriptedConnector connector = new ScriptedConnector().asynchronous();
        connector.answer(1, 0).answer(2, 32, 0);
        Bench bench = new Bench(16, 20, s -> s, connector);
        int[] prompt = bench.distinctPrompt(100);
        bench.add("a", java.util.Arrays.copyOf(prompt, 40), 1);
        bench.add("b", prompt, 1);
        if (wholeStep) {
            bench.stepFailures.add(new ExecutorException(ExecutorException.Scope.STEP, "injected"));
        } else {
            bench.failing.add("a");
        }
        assertThat(bench.step()).isEqualTo("a 40 new");
        assertThat(bench.sinks.get("a").terminal()).isInstanceOf(TokenEvent.Failed.class);
        assertThat(connector.computed(2))
                .as("32 were to be computed by a, 32 are being loaded")
                .isZero();
        connector.reportReceived(2);
        assertThat(bench.step()).isEqualTo("b 100 new");
        assertThat(bench.ledger.failedLoads).isZero();
        bench.runToEnd();
        assertThat(bench.free()).isEqualTo(19);
    }

    @Test
    void aStepThatFailsTakesNothingFromLoadsBehindBlocksThatWereComputedBefore() {
        ScriptedConnector connector = new ScriptedConnector().asynchronous();
        connector.answer(1, 0).answer(2, 0).answer(3, 32);
        Bench bench = new Bench(16, 20, s -> s, connector);
        int[] prompt = bench.distinctPrompt(100);
        bench.add("a", java.util.Arrays.copyOf(prompt, 33), 3);
        bench.step();
        bench.add("other", bench.distinctPrompt(20), 1);
        bench.add("b", prompt, 1);
        bench.stepFailures.add(new ExecutorException(ExecutorException.Scope.STEP, "injected"));
        assertThat(bench.step()).isEqualTo("a 1, other 20 new");
        assertThat(connector.computed(3)).isEqualTo(64);
        connector.reportReceived(3);
        assertThat(bench.step()).isEqualTo("b 36 new");
    }
}
