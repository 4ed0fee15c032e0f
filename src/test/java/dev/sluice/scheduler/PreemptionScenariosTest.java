package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.SchedulerSettings.Policy;
import org.junit.jupiter.api.Test;

/** Preemption, step by step, with the numbers of vLLM's own tests and of its issue threads. */
class PreemptionScenariosTest {

    @Test
    void aRefusedAttemptIsOverwrittenByTheOneThatSucceeds() { // S07
        ScriptedConnector connector = new ScriptedConnector().answer(1, 0).answer(2, 8, 4, 4);
        Bench bench = new Bench(4, 8, s -> s, connector);
        bench.add("a", bench.distinctPrompt(16), 2);
        bench.add("b", bench.distinctPrompt(16), 1);

        assertThat(bench.step()).isEqualTo("a 16 new");
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.step()).isEqualTo("b 12 new");
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(16, 0, 4));
        assertThat(connector.count("match 2")).isEqualTo(3);
        assertThat(connector.count("allocated 2")).isEqualTo(1);
        assertThat(bench.ledger.externalQueries).isEqualTo(32);
        assertThat(bench.ledger.externalHits).isEqualTo(4);
        assertThat(bench.ledger.localQueries).isEqualTo(32);
    }

    @Test
    void aConnectorThatDoesNotKnowYetLetsOthersPassAndIsAskedAgain() { // S52
        int later = ScriptedConnector.ASK_AGAIN;
        ScriptedConnector connector =
                new ScriptedConnector().answer(1, later, later, later, 0).answer(2, 0);
        Bench bench = new Bench(16, 64, s -> s, connector);
        bench.add("first", bench.distinctPrompt(20), 8);
        bench.add("second", bench.distinctPrompt(20), 8);

        assertThat(bench.step()).isEqualTo("second 20 new");
        assertThat(bench.snapshot().waitingDeferred()).isEqualTo(1);
        assertThat(bench.step()).isEqualTo("second 1");
        assertThat(bench.step()).isEqualTo("second 1");
        assertThat(bench.record("first")).isNull();
        assertThat(bench.step()).isEqualTo("second 1, first 20 new");
        assertThat(connector.count("match 1")).isEqualTo(4);
        assertThat(bench.record("first")).isEqualTo(new PrefillRecord(20, 0, 0));
        assertThat(bench.ledger.externalLookups).isEqualTo(2);
    }

    @Test
    void aConnectorThatPromisesTheWholePromptIsNotBelieved() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 20);
        Bench bench = new Bench(16, 64, s -> s, connector);
        bench.add("a", bench.distinctPrompt(20), 1);

        assertThat(bench.step()).isEqualTo("a 20 new");
        assertThat(bench.record("a")).isEqualTo(new PrefillRecord(20, 0, 0));
    }

    @Test
    void aHalfDonePrefillPreemptsItselfAndItsOwnBlocksAreNoCacheHit() { // S08
        Bench bench = new Bench(4, 9, s -> s.budget(8).gate(false));
        bench.add("a", bench.distinctPrompt(16), 4);
        bench.add("b", bench.distinctPrompt(16), 2);

        assertThat(bench.step()).isEqualTo("a 8 new");
        assertThat(bench.step()).isEqualTo("a 8");
        assertThat(bench.step()).isEqualTo("a 1, b 7 new");
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.free()).isEqualTo(3);
        assertThat(bench.step()).isEqualTo("a 1, b 7 resumed");
        assertThat(bench.step()).isEqualTo("b 5");
        assertThat(bench.step()).isEqualTo("b 1");
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(16, 0, 0));
        assertThat(bench.ledger.preemptions).isEqualTo(1);
    }

    @Test
    void theFullSequenceGateTradesTwoPreemptionsForOneStep() { // S09
        assertThat(stepsAndPreemptions(false)).containsExactly(17, 2);
        assertThat(stepsAndPreemptions(true)).containsExactly(18, 0);
    }

    private static int[] stepsAndPreemptions(boolean gate) {
        Bench bench = new Bench(4, 9, s -> s.budget(8).gate(gate));
        bench.add("a", bench.distinctPrompt(16), 8);
        bench.add("b", bench.distinctPrompt(16), 8);
        int steps = bench.runToEnd().size();
        return new int[] {steps, bench.ledger.preemptions};
    }

    @Test
    void anUrgentRunningRequestTakesTheBlocksOfALessUrgentOne() { // S21
        Bench bench = new Bench(16, 6, s -> s.policy(Policy.PRIORITY));
        bench.add("low", bench.distinctPrompt(32), dev.sluice.request.SamplingParams.greedy(8), 5, 1, null);
        assertThat(bench.step()).isEqualTo("low 32 new");
        bench.add("high", bench.distinctPrompt(32), dev.sluice.request.SamplingParams.greedy(8), 0, 2, null);

        assertThat(bench.step()).isEqualTo("low 1, high 32 new");
        assertThat(bench.free()).isZero();
        assertThat(bench.step()).isEqualTo("high 1");
        assertThat(bench.snapshot().running()).isEqualTo(1);
        assertThat(bench.snapshot().waiting()).isEqualTo(1);
        bench.runToEnd();
        assertThat(bench.sinks.get("low").tokens()).hasSize(8);
    }

    @Test
    void aVictimAlreadyScheduledInThisStepIsTakenOutOfItAndItsBlocksCannotBeFound() {
        Bench bench = new Bench(4, 7, s -> s.policy(Policy.PRIORITY).gate(false).budget(64));
        // "low" fills its second block in the step in which "high", behind it, runs out of blocks.
        bench.add("low", bench.distinctPrompt(6), dev.sluice.request.SamplingParams.greedy(8), 9, 1, null);
        bench.step();
        bench.add("high", bench.distinctPrompt(16), dev.sluice.request.SamplingParams.greedy(4), 0, 2, null);
        assertThat(bench.step()).isEqualTo("low 1, high 16 new");

        assertThat(bench.step()).isEqualTo("high 1");
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        // 4 blocks of high's prompt and 1 of low's; low's second block was never computed.
        assertThat(bench.cache.pool().registered()).isEqualTo(5);
        bench.runToEnd();
        assertThat(bench.sinks.get("low").tokens()).hasSize(8);
        assertThat(bench.sinks.get("high").tokens()).hasSize(4);
    }

    @Test
    void nobodyIsLeftOutOfTheStepInWhichOneBeforeHimIsPreempted() {
        Bench bench = new Bench(4, 7, s -> s.policy(Policy.PRIORITY).gate(false).budget(64));
        bench.add("low", bench.distinctPrompt(5), dev.sluice.request.SamplingParams.greedy(8), 9, 1, null);
        assertThat(bench.step()).isEqualTo("low 5 new");
        bench.add("a", bench.distinctPrompt(8), dev.sluice.request.SamplingParams.greedy(4), 0, 2, null);
        bench.add("b", bench.distinctPrompt(6), dev.sluice.request.SamplingParams.greedy(4), 0, 3, null);
        assertThat(bench.step()).isEqualTo("low 1, a 8 new, b 6 new");
        assertThat(bench.free()).isZero();
        assertThat(bench.step()).as("a takes low's blocks, and b follows").isEqualTo("a 1, b 1");
        assertThat(bench.ledger.preemptions).isEqualTo(1);
    }

    @Test
    void theFirstTokenComesOnceHoweverOftenARequestIsPreempted() {
        Bench bench = new Bench(4, 9, s -> s.budget(8).gate(false));
        bench.add("a", bench.distinctPrompt(16), 8);
        bench.add("b", bench.distinctPrompt(12), 12);
        bench.runToEnd();
        assertThat(bench.sinks.get("b").tokens()).hasSize(12);
        assertThat(bench.ledger.preemptedWithOutput).as("after its first token").isPositive();
        assertThat(bench.ledger.firstTokens).isEqualTo(2);
    }

    /** What the step of the preemption would have filled, and did not: found by nobody. */
    @Test
    void theBlocksThatAnUnscheduledVictimWasToFillAreNotFound() {
        Bench bench = Bench.simulated(
                4, 9, s -> s.policy(Policy.PRIORITY).gate(false).budget(64).threshold(8));
        int[] prompt = bench.distinctPrompt(24);
        bench.add("low", prompt, dev.sluice.request.SamplingParams.greedy(2), 9, 1, null);
        assertThat(bench.step()).isEqualTo("low 8 new");
        bench.add("high", bench.distinctPrompt(8), dev.sluice.request.SamplingParams.greedy(4), 0, 2, null);
        assertThat(bench.step()).isEqualTo("low 8, high 8 new");
        // The next step of low would fill two blocks, but high needs one: it takes the last of them, and the other is
        // free.
        assertThat(bench.step()).isEqualTo("high 1");
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        assertThat(bench.cache.pool().registered())
                .as("two of high, four of low")
                .isEqualTo(6);
        bench.add("same", prompt, dev.sluice.request.SamplingParams.greedy(1), 1, 3, null);
        bench.runToEnd();
        assertThat(bench.record("same").localTokens())
                .as("what was computed may be found")
                .isLessThanOrEqualTo(16);
        assertThat(bench.sinks.get("same").tokens()).isEqualTo(bench.demanded("same"));
        assertThat(bench.sinks.get("low").tokens()).isEqualTo(bench.demanded("low"));
    }
}
