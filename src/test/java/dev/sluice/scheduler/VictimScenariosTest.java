package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.SamplingParams;
import dev.sluice.scheduler.SchedulerSettings.Policy;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Who loses blocks, who goes on in the same step, and who is tried first. */
class VictimScenariosTest {

    private static void add(Bench bench, String name, int prompt, int outputs, int priority, long arrival) {
        bench.add(name, bench.distinctPrompt(prompt), SamplingParams.greedy(outputs), priority, arrival, null);
    }

    @Test
    void whoStandsBehindTheVictimInTheStepKeepsItsOwnLine() {
        Bench bench = new Bench(
                4, 11, s -> s.policy(Policy.PRIORITY).gate(false).budget(64).threshold(8));
        add(bench, "c", 5, 8, 0, 1);
        add(bench, "low", 5, 8, 9, 2);
        assertThat(bench.step()).isEqualTo("c 5 new, low 5 new");
        add(bench, "e", 24, 2, 0, 3);
        add(bench, "d", 8, 4, 1, 4);
        assertThat(bench.step()).isEqualTo("c 1, low 1, e 8 new, d 8 new");
        assertThat(bench.free()).isEqualTo(2);
        assertThat(bench.step()).as("d takes a block of low").isEqualTo("c 1, e 8, d 1");
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        bench.runToEnd();
        assertThat(bench.sinks.get("low").tokens()).hasSize(8);
    }

    @Test
    void inTheOrderOfArrivalTheLastOneIsTheVictimHoweverUrgent() {
        Bench bench = new Bench(4, 5, s -> s.gate(false).budget(64));
        add(bench, "a", 6, 8, 9, 1);
        add(bench, "b", 6, 8, 0, 2);
        assertThat(bench.step()).isEqualTo("a 6 new, b 6 new");
        assertThat(bench.step()).isEqualTo("a 1, b 1");
        assertThat(bench.step()).isEqualTo("a 1, b 1");
        assertThat(bench.step()).isEqualTo("a 1");
    }

    @Test
    void aStepHasRoomForManyLines() {
        Bench bench = new Bench(4, 200, s -> s.budget(400));
        for (int i = 0; i < 70; i++) {
            add(bench, "r" + i, 1 + i % 3, 3, 0, i);
        }
        String order = bench.step();
        assertThat(order).startsWith("r0 1 new, r1 2 new").endsWith("r68 3 new, r69 1 new");
        bench.runToEnd();
        assertThat(bench.sinks.values()).allMatch(sink -> sink.tokens().size() == 3);
    }

    /** The first one could not be tried, and waits apart from the second one, which only lacks room. */
    @ParameterizedTest
    @CsvSource({"PRIORITY, 5, 1, second", "PRIORITY, 1, 5, first", "FCFS, 5, 1, first", "FCFS, 1, 5, first"})
    void theHeadsOfBothQueuesAreCompared(Policy policy, int first, int second, String winner) {
        ScriptedConnector connector = new ScriptedConnector()
                .answer(1, ScriptedConnector.ASK_AGAIN, 0)
                .answer(2, 0);
        Bench bench = new Bench(16, 64, s -> s.policy(policy).maxSequences(1), connector);
        add(bench, "first", 4, 2, first, 1);
        assertThat(bench.step()).isEmpty();
        add(bench, "second", 4, 2, second, 2);
        assertThat(bench.step()).isEqualTo(winner + " 4 new");
    }

    /** One that waits with what a load has brought loses its blocks before one that runs, unless it is the more urgent one. */
    @ParameterizedTest
    @CsvSource({"FCFS, 0, 5, true", "FCFS, 5, 0, true", "PRIORITY, 5, 0, true", "PRIORITY, 0, 5, false"})
    void whoHoldsBlocksInVainLosesThemFirst(Policy policy, int idle, int busy, boolean idleLoses) {
        ScriptedConnector connector =
                new ScriptedConnector().answer(1, 8).answer(2, 0).asynchronous();
        Bench bench =
                new Bench(4, 5, s -> s.policy(policy).gate(false).budget(64).maxSequences(1), connector);
        add(bench, "idle", 8, 1, idle, 1);
        assertThat(bench.step()).isEmpty();
        add(bench, "busy", 8, 4, busy, 2);
        assertThat(bench.step()).isEqualTo("busy 8 new");
        assertThat(bench.free()).isZero();
        connector.reportReceived(1);
        assertThat(bench.step()).isEqualTo(idleLoses ? "busy 1" : "");
        assertThat(bench.step()).isEqualTo(idleLoses ? "busy 1" : "idle 1 new");
        assertThat(bench.ledger.preemptions).isEqualTo(1);
    }

    /** Nothing runs that would ever free a block: then who waits loaded gives way, but not while its load is under way. */
    @Test
    void whoWaitsLoadedGivesWayToAMoreUrgentOneThatFindsNoRoom() {
        ScriptedConnector connector =
                new ScriptedConnector().answer(1, 8, 0).answer(2, 0).asynchronous();
        Bench bench = new Bench(4, 5, s -> s.policy(Policy.PRIORITY).gate(false).budget(64), connector);
        add(bench, "loaded", 8, 1, 5, 1);
        assertThat(bench.step()).isEmpty();
        add(bench, "urgent", 13, 1, 0, 2);
        assertThat(bench.step()).as("the copy may still write").isEmpty();
        connector.reportReceived(1);
        assertThat(bench.step()).isEqualTo("urgent 13 new");
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        assertThat(bench.step()).isEqualTo("loaded 8 resumed");
        assertThat(bench.free()).isEqualTo(4);
    }
}
