package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.sim.FaultPlan;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvLayout;
import dev.sluice.request.FailureKind;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.testkit.RecordingSink;
import dev.sluice.testkit.VirtualClock;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What a turn says of itself, what it refuses, and how it ends. */
class SchedulerLoopTest {

    private static final int CONTEXT = 252;

    private final Bench bench = new Bench(4, 64, s -> s);

    private GenerationRequest request(String id, int[] prompt, int outputs) {
        return new GenerationRequest(
                id,
                prompt,
                SamplingParams.greedy(outputs),
                0,
                null,
                Integer.MAX_VALUE,
                bench.clock.monotonicNanos(),
                GenerationRequest.NO_DEADLINE,
                GenerationRequest.deadline(bench.clock.monotonicNanos(), Duration.ofSeconds(1)));
    }

    @Test
    void aTurnIsIdleOnlyIfItDidNothing() {
        assertThat(bench.loop.runOnce()).isZero();
        bench.add("a", request("a", bench.distinctPrompt(5), 200));
        assertThat(bench.loop.runOnce())
                .as("one request taken in, one line computed")
                .isEqualTo(2);
        assertThat(bench.loop.runOnce()).as("one line").isEqualTo(1);
        assertThat(bench.snapshot().steps()).isEqualTo(2);
        bench.clock.advanceNanos(2_000_000_000);
        assertThat(bench.loop.runOnce()).as("one deadline passed").isEqualTo(1);
        assertThat(bench.loop.runOnce()).isZero();
    }

    @Test
    void theSnapshotCountsTheBlocksThatRequestsHold() {
        bench.add("a", bench.distinctPrompt(9), 9);
        bench.step();
        assertThat(bench.snapshot().blocksUsed()).isEqualTo(3);
        assertThat(bench.snapshot().kvUsage()).isEqualTo(3 / 63.0);
        assertThat(bench.loop.describe()).contains("a#1 RUNNING 9/10");
    }

    @Test
    void submissionsBeyondTheInboxAreRefused() {
        for (int i = 0; i < 4096; i++) {
            assertThat(bench.loop.submit(request("r" + i, new int[] {1}, 1), new RecordingSink()))
                    .isTrue();
        }
        assertThat(bench.loop.submit(request("more", new int[] {1}, 1), new RecordingSink()))
                .isFalse();
    }

    @Test
    void aBlockThatIsLostShowsWhenNothingLives() {
        bench.add("a", bench.distinctPrompt(5), 1);
        bench.loop.runOnce();
        bench.cache.pool().allocate();
        assertThatThrownBy(bench.loop::runOnce).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void theBooksAreLookedAtOnceAndNotInEveryIdleTurn() {
        bench.add("a", bench.distinctPrompt(5), 1);
        bench.loop.runOnce();
        bench.loop.runOnce();
        bench.cache.pool().allocate();
        assertThat(bench.loop.runOnce()).isZero();
    }

    @Test
    void atTheEndWhatStillLiesInTheInboxIsAnsweredToo() {
        RecordingSink drained = bench.add("a", bench.distinctPrompt(5), 1);
        bench.loop.failAll(FailureKind.DRAINING, "the server is shutting down");
        assertThat(drained.terminal())
                .isEqualTo(new TokenEvent.Failed(FailureKind.DRAINING, "the server is shutting down"));
        RecordingSink runs = bench.add("b", bench.distinctPrompt(5), 9);
        bench.step();
        RecordingSink waits = bench.add("c", bench.distinctPrompt(5), 9);
        bench.loop.abandonAll("the engine has failed");
        TokenEvent failed = new TokenEvent.Failed(FailureKind.INTERNAL, "the engine has failed");
        assertThat(runs.terminal()).isEqualTo(failed);
        assertThat(waits.terminal()).isEqualTo(failed);
    }

    @Test
    void aRefusalSaysWhichLimitItIsAbout() {
        Bench small = new Bench(4, 8, s -> s.contextLength(100));
        assertThat(refusal(small, new int[0], 1)).contains("prompt is empty");
        assertThat(refusal(small, small.distinctPrompt(100), 1))
                .contains("100 tokens")
                .contains("context of 100");
        assertThat(refusal(small, new int[] {-1}, 1)).contains("-1").contains("vocabulary of " + Bench.VOCABULARY);
        assertThat(refusal(small, small.distinctPrompt(20), 60)).contains("20 KV blocks of 7");
        assertThat(refusal(small, small.distinctPrompt(28), 2)).contains("8 KV blocks of 7");
        RecordingSink fits = small.add("fits", small.distinctPrompt(28), 1);
        small.step();
        assertThat(fits.tokens()).hasSize(1);
    }

    private static String refusal(Bench bench, int[] prompt, int outputs) {
        RecordingSink sink = bench.add("x", prompt, outputs);
        bench.step();
        return ((TokenEvent.Failed) sink.terminal()).message();
    }

    @Test
    void anIdThatIsInFlightIsRefusedAndTheFirstOneGoesOn() {
        RecordingSink first = bench.add("a", bench.distinctPrompt(5), 3);
        bench.step();
        RecordingSink second = bench.add("a", bench.distinctPrompt(5), 3);
        bench.runToEnd();
        assertThat(second.terminal())
                .isEqualTo(new TokenEvent.Failed(
                        FailureKind.INVALID_REQUEST, "a request with this id is already in flight"));
        assertThat(first.tokens()).hasSize(3);
    }

    /** As the simulator, but that it may fail to say which copies have ended. */
    private static final class Silent implements ModelExecutor {
        private static final KvLayout LAYOUT = new KvLayout(64, 4);
        private final SimulatedExecutor simulator =
                new SimulatedExecutor(SimulatedExecutor.spec(Bench.VOCABULARY, CONTEXT, LAYOUT), FaultPlan.NONE);
        private @Nullable RuntimeException failure;

        @Override
        public ExecutorSpec spec() {
            return simulator.spec();
        }

        @Override
        public PendingStep submit(StepPlan plan) {
            return simulator.submit(plan);
        }

        @Override
        public HostPages allocateHostPages(int count) {
            return simulator.allocateHostPages(count);
        }

        @Override
        public List<FinishedTransfer> pollTransfers() {
            if (failure != null) {
                throw failure;
            }
            return simulator.pollTransfers();
        }

        @Override
        public void close() {}
    }

    @Test
    void anExecutorThatCannotSayWhichCopiesHaveEndedStopsNobodyUnlessItsDeviceIsLost() {
        Silent executor = new Silent();
        ScriptedConnector connector =
                new ScriptedConnector().answer(1, 8, 0).answerAll(0).asynchronous();
        KvCache cache = new KvCache(Silent.LAYOUT, true);
        SchedulerLoop loop = new SchedulerLoop(
                new SettingsDraft(CONTEXT).build(),
                cache,
                new BlockHasher(4, new byte[32]),
                executor,
                connector,
                new Bench.Ledger(),
                new VirtualClock());
        RecordingSink loading = new RecordingSink();
        RecordingSink runs = new RecordingSink();
        loop.submit(request("loading", bench.distinctPrompt(9), 2), loading);
        loop.submit(request("runs", bench.distinctPrompt(9), 9), runs);
        loop.runOnce();
        for (RuntimeException failure :
                List.of(new IllegalStateException("cannot say"), new ExecutorException(Scope.STEP, "cannot say"))) {
            executor.failure = failure;
            loop.runOnce();
        }
        assertThat(runs.tokens()).hasSize(3);
        connector.reportAbandoned(1);
        loop.runOnce();
        loop.runOnce();
        assertThat(loading.tokens()).hasSize(2);
        executor.failure = new ExecutorException(Scope.DEVICE, "the device is gone");
        assertThatThrownBy(loop::runOnce).hasMessage("the device is gone");
    }
}
