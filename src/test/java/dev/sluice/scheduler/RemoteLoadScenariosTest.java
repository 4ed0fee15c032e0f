package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.PrefillRecord;
import org.junit.jupiter.api.Test;

/** Loads from the connector, beside the steps and inside them, with the numbers of vLLM's own tests. */
class RemoteLoadScenariosTest {

    private static int hashed(Bench bench, ScriptedConnector connector, long sequence, int blocks) {
        int count = 0;
        for (int i = 0; i < blocks; i++) {
            count += bench.cache.pool().hash(connector.blockAt(sequence, i)) == null ? 0 : 1;
        }
        return count;
    }

    @Test
    void theSeedWithLoadsBesideTheStepsHasTheSameScheduleAndTheSameRecords() { // 6.1, asynchronous
        ScriptedConnector connector = new ScriptedConnector().answerAll(2).asynchronous();
        Bench bench = new Bench(2, 7, s -> s, connector);
        bench.add("a", bench.distinctPrompt(5), 4);
        bench.add("b", bench.distinctPrompt(5), 4);

        assertThat(bench.step()).isEmpty();
        assertThat(bench.free()).isEqualTo(4);
        assertThat(bench.snapshot().waitingDeferred()).isEqualTo(2);
        assertThat(connector.computed(1)).isEqualTo(2);
        connector.reportReceived(1, 2);
        assertThat(bench.step()).isEqualTo("a 3 new, b 3 new");
        assertThat(bench.free()).isZero();
        assertThat(bench.step()).isEqualTo("a 1, b 1");
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.free()).isEqualTo(6);
        assertThat(bench.step()).isEmpty();
        assertThat(connector.computed(2)).isEqualTo(6);
        assertThat(bench.free()).isEqualTo(3);
        connector.reportReceived(2);
        assertThat(bench.step()).isEqualTo("b 1 resumed");
        assertThat(bench.step()).isEqualTo("b 1");
        assertThat(bench.free()).isEqualTo(6);

        PrefillRecord expected = new PrefillRecord(5, 0, 2);
        assertThat(bench.ledger.records).containsExactly(expected, expected);
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        assertThat(bench.ledger.externalQueries).isEqualTo(10);
        assertThat(bench.ledger.externalHits).isEqualTo(4);
        assertThat(bench.ledger.externalResumedQueries).isEqualTo(3);
        assertThat(bench.ledger.externalResumedHits).isEqualTo(2);
        assertThat(bench.ledger.localQueries).isEqualTo(10);
        assertThat(connector.count("allocated 1")).isEqualTo(2);
        assertThat(connector.count("finished")).isEqualTo(2);
    }

    @Test
    void bothRoundsOfEqualPrefixesLoadWhatIsPromised() { // S03
        for (boolean async : new boolean[] {false, true}) {
            ScriptedConnector connector = new ScriptedConnector().answerAll(32);
            if (async) {
                connector.asynchronous();
            }
            Bench bench = new Bench(16, 100, s -> s, connector);
            int[] first = bench.distinctPrompt(64);
            int[] second = bench.distinctPrompt(64);
            bench.add("a", first, 3);
            bench.add("b", second, 3);
            if (async) {
                assertThat(bench.step()).isEmpty();
                connector.reportReceived(1, 2);
            }
            assertThat(bench.step()).isEqualTo("a 32 new, b 32 new");
            assertThat(bench.free()).isEqualTo(99 - 8);
            bench.runToEnd();
            assertThat(bench.free()).isEqualTo(99);

            bench.add("c", java.util.Arrays.copyOf(first, 128), 3);
            bench.add("d", java.util.Arrays.copyOf(second, 128), 3);
            if (async) {
                assertThat(bench.step()).isEmpty();
                connector.reportReceived(3, 4);
            }
            assertThat(bench.step()).isEqualTo("c 32 new, d 32 new");
            bench.runToEnd();
            assertThat(bench.record("c")).isEqualTo(new PrefillRecord(128, 64, 32));
            assertThat(bench.record("d")).isEqualTo(new PrefillRecord(128, 64, 32));
            assertThat(bench.free()).isEqualTo(99);
        }
    }

    @Test
    void externalLookupsCountEachPromptOnce() { // S04, S05
        ScriptedConnector connector = new ScriptedConnector().answerAll(4);
        Bench bench = new Bench(4, 100, s -> s, connector);
        bench.add("a", bench.distinctPrompt(8), 1);
        bench.add("b", bench.distinctPrompt(8), 1);
        bench.step();
        assertThat(bench.ledger.externalLookups).isEqualTo(2);
        assertThat(bench.ledger.externalQueries).isEqualTo(16);
        assertThat(bench.ledger.externalHits).isEqualTo(8);
        assertThat(bench.ledger.externalResumedQueries).isZero();

        connector = new ScriptedConnector().answer(1, 0).answer(2, 32);
        bench = new Bench(16, 100, s -> s, connector);
        int[] prefix = bench.distinctPrompt(64);
        bench.add("a", prefix, 1);
        bench.runToEnd();
        bench.add("b", java.util.Arrays.copyOf(prefix, 128), 1);
        bench.step();
        assertThat(bench.ledger.localQueries).isEqualTo(64 + 128);
        assertThat(bench.ledger.localHits).isEqualTo(64);
        assertThat(bench.ledger.externalQueries).isEqualTo(64 + 64);
        assertThat(bench.ledger.externalHits).isEqualTo(32);
    }

    @Test
    void aLoadThatDoesNotFitWaitsForTheOneBeforeIt() { // S06
        ScriptedConnector connector = new ScriptedConnector().answerAll(8);
        Bench bench = new Bench(4, 10, s -> s, connector);
        bench.add("a", bench.distinctPrompt(24), 2);
        bench.add("b", bench.distinctPrompt(24), 2);
        assertThat(bench.step()).isEqualTo("a 16 new");
        assertThat(bench.snapshot().waitingForCapacity()).isEqualTo(1);
        assertThat(bench.free()).isEqualTo(3);
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.free()).isEqualTo(9);
        assertThat(bench.step()).isEqualTo("b 16 new");
        bench.runToEnd();
        assertThat(bench.free()).isEqualTo(9);
    }

    @Test
    void aLoadIsNotBegunIntoBlocksThatAnEarlierOneStillNeeds() { // S27
        ScriptedConnector connector = new ScriptedConnector().answerAll(64).asynchronous();
        Bench bench = new Bench(16, 10, s -> s.gate(false), connector);
        bench.add("a", bench.distinctPrompt(128), 2);
        bench.add("b", bench.distinctPrompt(80), 2);
        assertThat(bench.step()).isEmpty();
        assertThat(connector.computed(1)).isEqualTo(64);
        assertThat(connector.count("allocated 2")).isZero();
        assertThat(bench.free()).isEqualTo(5);
        connector.reportReceived(1);
        assertThat(bench.step()).isEqualTo("a 64 new");
        assertThat(connector.count("allocated 2")).isZero();
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.step()).isEmpty();
        connector.reportReceived(2);
        bench.runToEnd();
        assertThat(bench.ledger.preemptions).isZero();
        assertThat(bench.free()).isEqualTo(9);
    }

    @Test
    void whoWaitsForCapacityAndWhoWaitsForALoadIsCountedApart() { // S23
        ScriptedConnector connector =
                new ScriptedConnector().answer(1, 32).answer(2, 32).answerAll(0).asynchronous();
        Bench bench = new Bench(16, 40, s -> s.budget(100), connector);
        bench.add("r1", bench.distinctPrompt(40), 2);
        bench.add("r2", bench.distinctPrompt(40), 2);
        bench.step();
        for (String name : new String[] {"a", "b", "c"}) {
            bench.add(name, bench.distinctPrompt(50), 2);
        }
        assertThat(bench.step()).isEqualTo("a 50 new, b 50 new");
        assertThat(bench.snapshot().running()).isEqualTo(2);
        assertThat(bench.snapshot().waitingForCapacity()).isEqualTo(1);
        assertThat(bench.snapshot().waitingDeferred()).isEqualTo(2);
        assertThat(bench.snapshot().waiting()).isEqualTo(3);
    }

    @Test
    void whoWasHeldBackForDifferentReasonsComesInTheOrderOfArrival() { // S51
        ScriptedConnector connector = new ScriptedConnector()
                .answer(1, ScriptedConnector.ASK_AGAIN, 0)
                .answer(2, 16)
                .answerAll(0)
                .asynchronous();
        Bench bench = new Bench(16, 40, s -> s.budget(20), connector);
        bench.add("later", bench.distinctPrompt(3), 1);
        bench.add("loading", bench.distinctPrompt(17), 1);
        bench.add("regular", bench.distinctPrompt(20), 9);
        bench.add("tail", bench.distinctPrompt(1), 1);
        assertThat(bench.step()).isEqualTo("regular 20 new");
        assertThat(bench.snapshot().waitingDeferred()).isEqualTo(2);
        bench.cancel("regular");
        connector.reportReceived(2);
        assertThat(bench.step()).isEqualTo("later 3 new, loading 1 new, tail 1 new");
    }

    @Test
    void reservationCountsWhatLoadsInFlightStillNeed() { // S53
        for (int blocks : new int[] {8, 64}) {
            ScriptedConnector connector =
                    new ScriptedConnector().answer(1, 16).answer(2, 64).asynchronous();
            Bench bench = new Bench(16, blocks, s -> s.gate(false), connector);
            bench.add("a", bench.distinctPrompt(64), 1);
            bench.add("b", bench.distinctPrompt(80), 1);
            assertThat(bench.step()).isEmpty();
            assertThat(connector.count("allocated 1")).isEqualTo(1);
            assertThat(connector.count("allocated 2")).isEqualTo(blocks == 8 ? 0 : 1);
            assertThat(bench.free()).isEqualTo(blocks == 8 ? 6 : 63 - 5);
        }
    }

    @Test
    void aPromptLoadedAsAWholeComputesItsLastTokenAgain() { // S28
        ScriptedConnector connector = new ScriptedConnector().answerAll(40).asynchronous();
        Bench bench = new Bench(16, 10, s -> s, connector);
        bench.add("a", bench.distinctPrompt(40), 2);
        assertThat(bench.step()).isEmpty();
        assertThat(connector.computed(1)).isEqualTo(40);
        assertThat(bench.free()).isEqualTo(6);
        assertThat(hashed(bench, connector, 1, 3)).isZero();
        assertThat(bench.cache.pool().references(connector.blockAt(1, 0))).isEqualTo(1);
        connector.reportReceived(1);
        assertThat(bench.step()).isEqualTo("a 1 new");
        assertThat(hashed(bench, connector, 1, 3)).isEqualTo(2);
        assertThat(bench.record("a")).isEqualTo(new PrefillRecord(40, 0, 40));
        assertThat(bench.record("a").computedTokens()).isZero();
        bench.runToEnd();
        assertThat(bench.sinks.get("a").tokens()).hasSize(2);
    }

    @Test
    void blocksOfARequestAbortedWhileLoadingAreKeptUntilTheLoadIsOver() { // S30
        ScriptedConnector connector = new ScriptedConnector().answerAll(32).asynchronous();
        Bench bench = new Bench(16, 10, s -> s, connector);
        bench.add("a", bench.distinctPrompt(40), 2);
        bench.step();
        bench.cancel("a");
        bench.step();
        assertThat(bench.sinks.get("a").isEnded()).isTrue();
        assertThat(bench.free()).isEqualTo(7);
        assertThat(bench.loop.hasTransfers()).isTrue();
        connector.reportReceived(1);
        bench.step();
        assertThat(bench.free()).isEqualTo(9);
        assertThat(bench.loop.hasTransfers()).isFalse();

        bench.add("b", bench.distinctPrompt(40), 2);
        bench.step();
        connector.reportReceived(2);
        bench.cancel("b"); // in the same turn as the end of its load
        bench.step();
        bench.step();
        assertThat(bench.free()).isEqualTo(9);
        assertThat(connector.count("finished")).isEqualTo(2);
        assertThat(bench.ledger.records).isEmpty();
    }

    @Test
    void aLoadThatNeedsMoreThanIsFreeBeginsWhenTheOtherHasFinished() { // S54
        ScriptedConnector connector =
                new ScriptedConnector().answer(1, 0).answer(2, 40).asynchronous();
        Bench bench = new Bench(16, 6, s -> s, connector);
        bench.add("local", bench.distinctPrompt(32), 3);
        assertThat(bench.step()).isEqualTo("local 32 new");
        bench.add("remote", bench.distinctPrompt(40), 1);
        assertThat(bench.step()).isEqualTo("local 1");
        assertThat(connector.count("allocated 2")).isZero();
        assertThat(bench.step()).isEqualTo("local 1");
        assertThat(bench.step()).isEmpty();
        assertThat(connector.count("allocated 2")).isEqualTo(1);
        connector.reportReceived(2);
        assertThat(bench.step()).isEqualTo("remote 1 new");
        assertThat(bench.free()).isEqualTo(5);
    }

    @Test
    void aLoadedRequestThatIsPreemptedFindsItsBlocksAgain() { // S55
        ScriptedConnector connector =
                new ScriptedConnector().answer(1, 0).answer(2, 32, 0).asynchronous();
        Bench bench = new Bench(16, 6, s -> s, connector);
        bench.add("local", bench.distinctPrompt(32), 5);
        bench.add("remote", bench.distinctPrompt(32), 3);
        assertThat(bench.step()).isEqualTo("local 32 new");
        connector.reportReceived(2);
        assertThat(bench.step()).isEqualTo("local 1, remote 1 new");
        assertThat(bench.free()).isZero();
        assertThat(bench.step()).isEqualTo("local 1");
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        assertThat(bench.step()).isEqualTo("local 1");
        assertThat(bench.step()).isEqualTo("local 1");
        assertThat(bench.step()).isEqualTo("remote 1 resumed");
        bench.runToEnd();
        assertThat(bench.record("remote")).isEqualTo(new PrefillRecord(32, 0, 32));
        assertThat(bench.sinks.get("remote").tokens()).hasSize(3);
    }

    @Test
    void aLoadThatTakesTooLongIsComputedInsteadAndItsBlocksStayApart() {
        ScriptedConnector connector = new ScriptedConnector().answer(1, 32, 0).asynchronous();
        Bench bench = new Bench(16, 10, s -> s, connector);
        bench.add("a", bench.distinctPrompt(40), 1);
        bench.step();
        connector.reportAbandoned(1);
        assertThat(bench.step()).isEqualTo("a 40 new");
        assertThat(bench.sinks.get("a").isEnded()).isTrue();
        assertThat(bench.record("a")).isEqualTo(new PrefillRecord(40, 0, 0));
        assertThat(bench.free()).isEqualTo(7);
        connector.reportReceived(1);
        bench.step();
        assertThat(bench.free()).isEqualTo(9);
    }

    @Test
    void theEndOfALoadThatNobodyKnowsChangesNothing() {
        ScriptedConnector connector = new ScriptedConnector().answerAll(32).asynchronous();
        Bench bench = new Bench(16, 10, s -> s, connector);
        bench.add("a", bench.distinctPrompt(40), 1);
        bench.step();
        connector.reportReceived(1);
        bench.runToEnd();
        connector.reportReceived(1);
        bench.step();
        assertThat(bench.free()).isEqualTo(9);
    }

    @Test
    void aPromptOfOneTokenIsComputedAndNotLoaded() {
        ScriptedConnector connector = new ScriptedConnector().answerAll(1).asynchronous();
        Bench bench = new Bench(1, 10, s -> s, connector);
        bench.add("a", bench.distinctPrompt(1), 2);
        assertThat(bench.step()).isEqualTo("a 1 new");
        assertThat(connector.count("match")).isZero();
        bench.runToEnd();
        assertThat(bench.record("a")).isEqualTo(new PrefillRecord(1, 0, 0));
        assertThat(bench.free()).isEqualTo(9);
    }
}
