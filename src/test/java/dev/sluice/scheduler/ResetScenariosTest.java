package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.GenerationRequest;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Resets of the prefix cache, alone and with the connector, while something runs, waits, or is being copied. */
class ResetScenariosTest {

    private final ScriptedConnector connector = new ScriptedConnector();

    @Test
    void theConnectorIsResetOnlyIfToldAndOnlyIfTheDeviceIs() {
        Bench bench = new Bench(16, 64, s -> s, connector);
        bench.add("a", bench.distinctPrompt(40), 4);
        bench.step();
        assertThat(bench.loop.resetPrefixCache(false, true)).isFalse();
        assertThat(connector.count("reset")).isZero();
        assertThat(bench.cache.pool().registered()).as("nothing has changed").isEqualTo(2);
        assertThat(bench.step()).isEqualTo("a 1");

        assertThat(bench.loop.resetPrefixCache(true, false)).isTrue();
        assertThat(connector.count("reset")).isZero();
        assertThat(bench.loop.resetPrefixCache(true, true)).isTrue();
        assertThat(connector.count("reset")).isEqualTo(1);
        bench.runToEnd();
        assertThat(bench.ledger.preemptions).isEqualTo(1);
        assertThat(bench.loop.resetPrefixCache(false, true)).isTrue();
        assertThat(connector.count("reset")).isEqualTo(2);
    }

    @Test
    void withoutAConnectorThereIsNothingMoreToForget() {
        Bench bench = new Bench(16, 64, s -> s);
        int[] prompt = bench.distinctPrompt(40);
        bench.add("a", prompt, 1);
        bench.runToEnd();
        assertThat(bench.loop.resetPrefixCache(false, true)).isTrue();
        bench.add("b", prompt, 1);
        assertThat(bench.step()).isEqualTo("b 40 new");
    }

    @ParameterizedTest
    @EnumSource(LoadFailurePolicy.class)
    void whoIsBeingLoadedIsComputedAndTheLoadEndsWhenItLikes(LoadFailurePolicy policy) {
        connector.answer(1, 0).answer(2, 32, 0).asynchronous();
        Bench bench = new Bench(16, 20, s -> s.onLoadFailure(policy), connector);
        int[] prompt = bench.distinctPrompt(100);
        bench.add("first", Arrays.copyOf(prompt, 33), 1);
        bench.runToEnd();
        bench.add("a", prompt, 1);
        assertThat(bench.step()).isEmpty();
        assertThat(connector.computed(2)).isEqualTo(64);
        assertThat(bench.loop.resetPrefixCache(false, true)).isFalse();

        assertThat(bench.loop.resetPrefixCache(true, true)).isTrue();
        bench.loop.verifyBooks();
        assertThat(bench.cache.pool().registered()).isZero();
        assertThat(bench.free()).as("what the load may write stays out of use").isEqualTo(15);
        connector.reportInvalid(2, 2); // of blocks that are nobody's any more
        assertThat(bench.step()).isEqualTo("a 100 new");
        assertThat(bench.sinks.get("a").tokens()).hasSize(1);
        assertThat(bench.record("a")).isEqualTo(new PrefillRecord(100, 0, 0));
        assertThat(bench.free()).isEqualTo(15);
        connector.reportReceived(2);
        bench.step();
        assertThat(bench.free()).isEqualTo(19);
        assertThat(bench.ledger.failedLoads).isZero();
        assertThat(bench.ledger.preemptions).isZero();
    }

    @Test
    void whatALoadStillWritesAfterItsRequestHasEndedHindersNoReset() {
        connector.answer(1, 32).asynchronous();
        Bench bench = new Bench(16, 10, s -> s, connector);
        bench.add("a", bench.distinctPrompt(40), 1);
        bench.step();
        bench.cancel("a");
        bench.step();
        assertThat(bench.free()).isEqualTo(7);
        assertThat(bench.loop.resetPrefixCache(false, true)).isTrue();
        assertThat(bench.free()).isEqualTo(7);
        connector.reportReceived(1);
        bench.step();
        assertThat(bench.free()).isEqualTo(9);
    }

    @Test
    void whoWaitsLoadedIsComputedAnew() {
        connector.answer(1, 32, 0).answer(2, 0).asynchronous();
        Bench bench = new Bench(16, 20, s -> s.maxSequences(1), connector);
        bench.add("loaded", bench.distinctPrompt(40), 1);
        bench.step();
        bench.add("runs", bench.distinctPrompt(20), 9);
        assertThat(bench.step()).isEqualTo("runs 20 new");
        connector.reportReceived(1);
        assertThat(bench.step()).as("no seat is free").isEqualTo("runs 1");
        assertThat(connector.computed(1)).isEqualTo(32);

        assertThat(bench.loop.resetPrefixCache(true, true)).isTrue();
        assertThat(bench.free()).isEqualTo(19);
        assertThat(bench.step()).isEqualTo("loaded 40 resumed");
        assertThat(bench.step()).isEqualTo("runs 22 resumed");
        bench.runToEnd();
        assertThat(bench.ledger.preemptions).isEqualTo(2);
        assertThat(bench.free()).isEqualTo(19);
    }

    @Test
    void aParkedSessionKeepsItsTokensAndLosesItsBlocks() {
        Bench bench = new Bench(4, 20, s -> s, connector);
        bench.add("s", session(bench, 1, 1, 2, 3, 4, 5));
        bench.step();
        assertThat(bench.sinks.get("s").pauses()).isEqualTo(1);
        assertThat(bench.loop.resetPrefixCache(false, true)).isFalse();
        assertThat(bench.loop.resetPrefixCache(true, true)).isTrue();
        assertThat(bench.free()).isEqualTo(19);
        assertThat(bench.step()).isEmpty();

        bench.loop.extend(session(bench, 1, 8, 9));
        assertThat(bench.step()).isEqualTo("s 8 resumed");
        assertThat(bench.tokensOf("s")).startsWith(1, 2, 3, 4, 5, Bench.TOKEN, 8, 9);
        bench.loop.closeSession("s");
        bench.step();
        assertThat(bench.sinks.get("s").terminal()).isInstanceOf(TokenEvent.Finished.class);
        assertThat(bench.free()).isEqualTo(19);
    }

    private static GenerationRequest session(Bench bench, int maxTokens, int... tokens) {
        SamplingParams sampling = SamplingParams.greedy(maxTokens);
        long now = bench.clock.monotonicNanos();
        return new GenerationRequest(
                "s", tokens, sampling, 0, null, Integer.MAX_VALUE, now, Long.MAX_VALUE, Long.MAX_VALUE, true);
    }
}
