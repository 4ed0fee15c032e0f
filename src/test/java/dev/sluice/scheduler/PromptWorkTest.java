package dev.sluice.scheduler;

import static dev.sluice.scheduler.PromptWork.ANSWERED;
import static dev.sluice.scheduler.PromptWork.RECOMPUTED_AFTER_FAILED_LOAD;
import static dev.sluice.scheduler.PromptWork.RECOMPUTED_AFTER_PREEMPTION;
import static dev.sluice.scheduler.PromptWork.WASTED;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.executor.ExecutorException;
import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.TokenEvent;
import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import dev.sluice.testkit.FlakyConnector;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Where each computed prompt token went: computed work is what was answered, wasted and recomputed, to the token. */
class PromptWorkTest {

    private static void assertWork(Bench bench, int answered, int wasted, int afterFailedLoad, int afterPreemption) {
        assertThat(bench.ledger.work(ANSWERED)).as("answered").isEqualTo(answered);
        assertThat(bench.ledger.work(WASTED)).as("wasted").isEqualTo(wasted);
        assertThat(bench.ledger.work(RECOMPUTED_AFTER_FAILED_LOAD))
                .as("recomputed after a failed load")
                .isEqualTo(afterFailedLoad);
        assertThat(bench.ledger.work(RECOMPUTED_AFTER_PREEMPTION))
                .as("recomputed after a preemption")
                .isEqualTo(afterPreemption);
        assertThat(bench.ledger.computed())
                .as("computed")
                .isEqualTo(answered + wasted + afterFailedLoad + afterPreemption);
    }

    /** A bench in which the first 16 tokens of the prompt are in the device's cache, with 16 computed for them. */
    private static Bench withSixteenLocal(ScriptedConnector connector, int[] prompt) {
        Bench bench = new Bench(16, 30, s -> s, connector);
        bench.add("before", Arrays.copyOf(prompt, 16), 1);
        bench.runToEnd();
        return bench;
    }

    private static int[] prompt(int length) {
        int[] prompt = new int[length];
        Arrays.setAll(prompt, i -> 50_000 + i);
        return prompt;
    }

    @Test
    void ofAnAbandonedLoadOnlyWhatItWasToBringIsRecomputed() {
        ScriptedConnector connector =
                new ScriptedConnector().asynchronous().answer(1, 0).answer(2, 16, 0);
        Bench bench = withSixteenLocal(connector, prompt(40));
        bench.add("a", prompt(40), 1);
        assertThat(bench.step()).isEmpty();
        connector.reportAbandoned(2);
        assertThat(bench.step()).isEqualTo("a 24 new");
        assertThat(bench.record("a")).isEqualTo(new PrefillRecord(40, 16, 0));
        assertThat(bench.ledger.failedLoads).isEqualTo(1);
        assertWork(bench, 16 + 8, 0, 16, 0);
        connector.reportReceived(2);
        bench.runToEnd();
        assertThat(bench.free()).isEqualTo(29);
    }

    @Test
    void whatASecondLoadBringsIsNotRecomputed() {
        ScriptedConnector connector = new ScriptedConnector().asynchronous().answerAll(32);
        Bench bench = new Bench(16, 30, s -> s, connector);
        bench.add("a", prompt(40), 1);
        bench.step();
        connector.reportInvalid(1, 0);
        bench.step();
        connector.reportReceived(1);
        assertThat(bench.step()).as("it looks again").isEmpty();
        connector.reportReceived(1);
        assertThat(bench.step()).isEqualTo("a 8 new");
        assertThat(bench.ledger.failedLoads).isEqualTo(1);
        assertWork(bench, 8, 0, 0, 0);
    }

    @Test
    void ofTwoEqualPromptsOnlyTheOneThatLoadedHasAFailedLoad() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 32).answer(2, 0);
        Bench bench = new Bench(16, 30, s -> s, connector);
        bench.add("a", prompt(64), 1);
        bench.add("b", prompt(64), 1);
        bench.failLoadsInStep = () -> connector.reportInvalid(1, 1);
        assertThat(bench.step()).isEqualTo("a 32 new, b 16 new");
        assertThat(bench.step()).isEqualTo("a 48, b 48");
        assertThat(bench.ledger.failedLoads).isEqualTo(1);
        // In vain: 32 and 16. Then a computes 16 it was to load and 32 of its own; b shared all 48 but for the last 16.
        assertWork(bench, 32 + 16, 48, 16 + 32, 0);
    }

    @Test
    void underThePolicyFailWhoOnlySharedComputesInstead() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 32).answer(2, 0);
        Bench bench = new Bench(16, 30, s -> s.onLoadFailure(LoadFailurePolicy.FAIL), connector);
        bench.add("a", prompt(64), 3);
        bench.add("b", prompt(64), 3);
        bench.failLoadsInStep = () -> connector.reportInvalid(1, 1);
        bench.step();
        assertThat(bench.sinks.get("a").terminal()).isInstanceOf(TokenEvent.Failed.class);
        assertThat(bench.step()).isEqualTo("b 48");
        bench.runToEnd();
        assertThat(bench.sinks.get("b").finishReason()).isEqualTo(FinishReason.LENGTH);
        assertThat(bench.ledger.failedLoads).isEqualTo(1);
        assertWork(bench, 16, 48, 32, 0);
        assertThat(bench.free()).isEqualTo(29);
    }

    @Test
    void underThePolicyFailNobodyRecomputesWhatWasLost() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 32);
        Bench bench = new Bench(16, 30, s -> s.onLoadFailure(LoadFailurePolicy.FAIL), connector);
        bench.add("a", prompt(64), 3);
        bench.failLoadsInStep = () -> connector.reportInvalid(1, 1);
        assertThat(bench.step()).isEqualTo("a 32 new");
        assertThat(bench.sinks.get("a").terminal()).isInstanceOf(TokenEvent.Failed.class);
        bench.runToEnd();
        assertThat(bench.ledger.failedLoads).isEqualTo(1);
        assertWork(bench, 0, 32, 0, 0);
    }

    @Test
    void underThePolicyFailAnAbandonedLoadIsNotRecomputedEither() {
        ScriptedConnector connector = new ScriptedConnector().asynchronous().answer(1, 32);
        Bench bench = new Bench(16, 30, s -> s.onLoadFailure(LoadFailurePolicy.FAIL), connector);
        bench.add("a", prompt(64), 3);
        bench.step();
        connector.reportAbandoned(1);
        bench.runToEnd();
        assertThat(bench.sinks.get("a").terminal()).isInstanceOf(TokenEvent.Failed.class);
        assertWork(bench, 0, 0, 0, 0);
    }

    @Test
    void underThePolicyFailAPlanThatWasLostIsNotRecomputed() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 32);
        Bench bench = new Bench(
                16,
                30,
                s -> s.onLoadFailure(LoadFailurePolicy.FAIL),
                new FlakyConnector(connector, "planTransfers"::equals, call -> false));
        bench.add("a", prompt(64), 3);
        bench.runToEnd();
        assertThat(bench.sinks.get("a").terminal()).isInstanceOf(TokenEvent.Failed.class);
        assertThat(bench.sinks.get("a").tokens()).isEmpty();
        assertThat(bench.ledger.failedLoads).isEqualTo(1);
        assertThat(bench.ledger.work(RECOMPUTED_AFTER_FAILED_LOAD)).isZero();
    }

    @Test
    void oneLoadThatFailsPieceByPieceIsOneFailedLoad() {
        ScriptedConnector connector = new ScriptedConnector().asynchronous().answerAll(32);
        Bench bench = new Bench(16, 30, s -> s, connector);
        bench.add("a", prompt(40), 1);
        bench.step();
        connector.reportInvalid(1, 1);
        bench.step();
        connector.reportInvalid(1, 0);
        bench.step();
        assertThat(bench.ledger.failedLoads).isEqualTo(1);
    }

    @Test
    void theRecordOfAPromptWhosePrefixWasNeverComputedSaysSo() {
        Bench bench = Bench.simulated(16, 30, s -> s);
        bench.add("bad", prompt(33), 2);
        bench.add("b", prompt(33), 2);
        bench.failing.add("bad");
        assertThat(bench.step()).isEqualTo("bad 33 new, b 1 new");
        bench.runToEnd();
        assertThat(bench.sinks.get("b").tokens()).isEqualTo(bench.demanded("b"));
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(33, 0, 0));
        assertWork(bench, 33, 34, 0, 0);
    }

    @Test
    void whoBeganALoadBehindAPrefixThatWasNeverComputedIsRecordedWithWhatIsThere() {
        ScriptedConnector connector = new ScriptedConnector().asynchronous();
        connector.answer(1, 0).answer(2, 0).answer(3, 32);
        Bench bench = new Bench(16, 30, s -> s, connector);
        bench.add("before", prompt(16), 1);
        bench.runToEnd();
        bench.add("a", prompt(40), 1); // computes the second block, behind the first one
        bench.add("b", prompt(100), 1); // finds both, and loads two more
        bench.stepFailures.add(new ExecutorException(ExecutorException.Scope.STEP, "injected"));
        assertThat(bench.step()).isEqualTo("a 24 new");
        assertThat(connector.computed(3)).isEqualTo(16);
        connector.reportReceived(3);
        assertThat(bench.step()).isEqualTo("b 84 new");
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(100, 16, 0));
        assertWork(bench, 16 + 84, 0, 0, 0);
    }

    @Test
    void queriedTokensAreCountedOncePerRequestHoweverOftenItsLoadFails() {
        ScriptedConnector connector = new ScriptedConnector().asynchronous().answerAll(32);
        Bench bench = new Bench(16, 30, s -> s, connector);
        bench.add("a", prompt(40), 1);
        for (int i = 0; i < 3; i++) {
            bench.step();
            connector.reportInvalid(1, 0);
            bench.step();
            connector.reportReceived(1);
        }
        assertThat(bench.step()).isEqualTo("a 40 new");
        assertThat(bench.ledger.failedLoads).isEqualTo(3);
        assertThat(bench.ledger.localQueries).isEqualTo(40);
        assertThat(bench.ledger.externalQueries).isEqualTo(40);
        assertThat(bench.ledger.externalLookups).isEqualTo(1);
        assertWork(bench, 8, 0, 32, 0);
    }

    @Test
    void whatWasComputedForARequestThatNeverAnsweredIsWasted() {
        Bench bench = new Bench(16, 30, s -> s.budget(16));
        bench.add("a", prompt(40), 5);
        bench.step();
        bench.step();
        bench.cancel("a");
        bench.step();
        assertWork(bench, 0, 32, 0, 0);
        bench.add("b", prompt(40), 5); // finds what was computed in vain: not in vain after all, but counted
        bench.step();
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(40, 32, 0));
        bench.cancel("b");
        bench.step();
        assertWork(bench, 8, 32, 0, 0);
    }

    @Test
    void whatAPreemptedPromptComputesAgainIsRecomputed() {
        Bench bench = new Bench(4, 9, s -> s.budget(8).gate(false));
        bench.add("a", bench.distinctPrompt(16), 4);
        bench.add("b", bench.distinctPrompt(16), 2);
        bench.runToEnd();
        // b has computed 7, of which it finds one whole block again.
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(16, 0, 0));
        assertWork(bench, 16 + 16, 0, 0, 3);
    }
}
