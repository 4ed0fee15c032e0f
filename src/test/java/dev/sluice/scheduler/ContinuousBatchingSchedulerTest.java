package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

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
import dev.sluice.offload.NoKvConnector;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.SystemClock;
import dev.sluice.testkit.RecordingSink;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The scheduler with its thread: what is left when that thread dies, and races with it. */
@Timeout(60)
class ContinuousBatchingSchedulerTest {

    @Test
    void theIdleLoopPollsOftenOnlyWhileSomebodyWaits() {
        long awaited = ContinuousBatchingScheduler.idleNanos(true, true);
        long writeAlone = ContinuousBatchingScheduler.idleNanos(false, true);
        assertThat(awaited).isLessThan(ContinuousBatchingScheduler.idleNanos(true, false));
        assertThat(writeAlone).isGreaterThanOrEqualTo(20 * awaited);
        assertThat(writeAlone).isLessThan(ContinuousBatchingScheduler.idleNanos(false, false));
    }

    private static final KvLayout LAYOUT = new KvLayout(64, 4);
    private static final int VOCABULARY = 1000;

    private final CompletableFuture<Throwable> death = new CompletableFuture<>();
    private final FailingExecutor executor = new FailingExecutor();
    private final CountedClock clock = new CountedClock();
    private final ContinuousBatchingScheduler scheduler = scheduler();

    /** Every turn of the loop looks at the clock a few times. */
    private static final class CountedClock implements Clock {
        private final Clock clock = new SystemClock();
        private final AtomicLong looks = new AtomicLong();

        @Override
        public long monotonicNanos() {
            looks.incrementAndGet();
            return clock.monotonicNanos();
        }

        @Override
        public long wallMillis() {
            return clock.wallMillis();
        }
    }

    /** Works for three steps, then, if it has a failure, waits for its time and throws it. */
    private static final class FailingExecutor implements ModelExecutor {
        private final SimulatedExecutor simulator = new SimulatedExecutor(
                SimulatedExecutor.spec(VOCABULARY, LAYOUT.usableBlocks() * LAYOUT.blockSize(), LAYOUT), FaultPlan.NONE);
        private final CountDownLatch time = new CountDownLatch(1);

        /** Before it, no step begins; open unless a test replaces it. */
        private volatile CountDownLatch gate = new CountDownLatch(0);

        private volatile @Nullable Throwable failure;
        private int steps;

        @Override
        public ExecutorSpec spec() {
            return simulator.spec();
        }

        @Override
        public PendingStep submit(StepPlan plan) {
            await(gate);
            Throwable end = failure;
            if (end == null || ++steps <= 3) {
                return simulator.submit(plan);
            }
            await(time);
            if (end instanceof Error error) {
                throw error;
            }
            throw (RuntimeException) end;
        }

        private static void await(CountDownLatch latch) {
            try {
                latch.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        @Override
        public HostPages allocateHostPages(int count) {
            return simulator.allocateHostPages(count);
        }

        @Override
        public List<FinishedTransfer> pollTransfers() {
            return simulator.pollTransfers();
        }

        @Override
        public void close() {}
    }

    /** Says on another thread when the end is there. */
    private static final class EndingSink implements TokenSink {
        private final RecordingSink record = new RecordingSink();
        private final CountDownLatch firstToken = new CountDownLatch(1);
        private final CountDownLatch end = new CountDownLatch(1);

        @Override
        public synchronized boolean offer(TokenEvent event) {
            boolean answer = record.offer(event);
            if (event instanceof TokenEvent.Token) {
                firstToken.countDown();
            }
            if (event instanceof TokenEvent.Finished || event instanceof TokenEvent.Failed) {
                end.countDown();
            }
            return answer;
        }

        synchronized TokenEvent terminal() {
            return record.terminal();
        }
    }

    private ContinuousBatchingScheduler scheduler() {
        SchedulerSettings settings = new SettingsDraft(LAYOUT.usableBlocks() * LAYOUT.blockSize())
                .maxSequences(2)
                .build();
        SchedulerLoop loop = new SchedulerLoop(
                settings,
                new KvCache(LAYOUT, true),
                new BlockHasher(LAYOUT.blockSize(), new byte[32]),
                executor,
                new NoKvConnector(),
                new Bench.Ledger(),
                clock);
        return new ContinuousBatchingScheduler(loop, death::complete);
    }

    @AfterEach
    void stop() {
        scheduler.close();
    }

    private static GenerationRequest request(String id, int outputs) {
        return new GenerationRequest(
                id,
                new int[] {1, 2, 3, 4, 5},
                SamplingParams.greedy(outputs),
                0,
                null,
                Integer.MAX_VALUE,
                0,
                Long.MAX_VALUE,
                Long.MAX_VALUE);
    }

    static List<Throwable> deaths() {
        return List.of(
                new ExecutorException(Scope.DEVICE, "the device is gone"),
                new StackOverflowError(),
                new AssertionError("cannot be"),
                new NoClassDefFoundError("gone"));
    }

    @ParameterizedTest
    @MethodSource("deaths")
    void whoeverWaitsHearsOfTheDeathOfTheLoopAndNobodyComesInAnyMore(Throwable cause) throws Exception {
        executor.failure = cause;
        scheduler.start();
        List<EndingSink> sinks = new ArrayList<>();
        for (int i = 0; i < 8; i++) { // two run, six wait
            sinks.add(new EndingSink());
            assertThat(scheduler.submit(request("r" + i, 200), sinks.getLast())).isTrue();
        }
        sinks.getFirst().firstToken.await();
        executor.time.countDown();
        assertThat(death.get(30, TimeUnit.SECONDS)).isSameAs(cause);
        for (EndingSink sink : sinks) {
            assertThat(sink.end.await(30, TimeUnit.SECONDS)).isTrue();
            assertThat(sink.terminal()).isInstanceOf(TokenEvent.Failed.class);
        }
        assertThat(scheduler.isAlive()).isFalse();
        assertThat(scheduler.submit(request("late", 1), new EndingSink())).isFalse();
    }

    @Test
    void aReaderThatThrowsAtTheEndKeepsTheDeathFromNobody() throws Exception {
        executor.failure = new ExecutorException(Scope.DEVICE, "the device is gone");
        executor.gate = new CountDownLatch(1); // or the first one might run into its failure alone
        scheduler.start();
        EndingSink running = new EndingSink();
        scheduler.submit(request("throws", 200), event -> {
            if (event instanceof TokenEvent.Failed) {
                throw new IllegalStateException("cannot listen");
            }
            return true;
        });
        scheduler.submit(request("listens", 200), running);
        executor.gate.countDown();
        running.firstToken.await();
        executor.time.countDown();
        assertThat(death.get(30, TimeUnit.SECONDS)).hasMessage("the device is gone");
        assertThat(running.end.await(30, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void closingEndsWhatRunsAndIsNoDeath() throws Exception {
        scheduler.start();
        EndingSink sink = new EndingSink();
        scheduler.submit(request("a", 200), sink);
        scheduler.close();
        scheduler.close();
        assertThat(sink.end.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(death).isNotDone();
        assertThat(scheduler.submit(request("late", 1), new EndingSink())).isFalse();
    }

    @Test
    void aResetIsAnsweredByALoopThatRunsAndByOneThatHasEnded() throws Exception {
        scheduler.start();
        assertThat(scheduler.resetPrefixCache(false, true).get(30, TimeUnit.SECONDS))
                .isTrue();
        EndingSink sink = new EndingSink();
        scheduler.submit(request("a", 200), sink);
        assertThat(scheduler.resetPrefixCache(true, true).get(30, TimeUnit.SECONDS))
                .isTrue();
        assertThat(sink.end.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(sink.terminal()).isEqualTo(new TokenEvent.Finished(FinishReason.LENGTH, -1));
        scheduler.close();
        assertThat(scheduler.resetPrefixCache(true, true).get(30, TimeUnit.SECONDS))
                .isFalse();
    }

    @Test
    void anInterruptOfItsThreadChangesNothingAndDoesNotKeepItBusy() throws Exception {
        scheduler.start();
        EndingSink interrupted = new EndingSink();
        scheduler.submit(request("a", 20), event -> {
            Thread.currentThread().interrupt(); // sinks are called by the scheduler's thread
            return interrupted.offer(event);
        });
        assertThat(interrupted.end.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(interrupted.terminal()).isEqualTo(new TokenEvent.Finished(FinishReason.LENGTH, -1));
        long before = clock.looks.get();
        TimeUnit.MILLISECONDS.sleep(500);
        assertThat(clock.looks.get() - before)
                .as("looks at the clock while idle")
                .isLessThan(500);
        EndingSink next = new EndingSink();
        assertThat(scheduler.submit(request("b", 20), next)).isTrue();
        assertThat(next.end.await(30, TimeUnit.SECONDS)).isTrue();
        assertThat(next.terminal()).isEqualTo(new TokenEvent.Finished(FinishReason.LENGTH, -1));
        assertThat(scheduler.isAlive()).isTrue();
        assertThat(death).isNotDone();
    }

    // Cancellations from several threads, at whatever moment they come
    @Test
    void racingCancellationsYieldExactlyOneEndEach() throws Exception {
        scheduler.start();
        Random random = new Random(23);
        for (int round = 0; round < 300; round++) {
            String id = "r" + round;
            EndingSink sink = new EndingSink();
            int outputs = 1 + random.nextInt(6);
            CountDownLatch go = new CountDownLatch(1);
            List<Thread> cancellers = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                int spins = random.nextInt(20_000);
                cancellers.add(Thread.ofPlatform().start(() -> {
                    try {
                        go.await();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                    for (int spin = 0; spin < spins; spin++) {
                        Thread.onSpinWait();
                    }
                    scheduler.cancel(id, FinishReason.ABORT);
                }));
            }
            assertThat(scheduler.submit(request(id, outputs), sink)).isTrue();
            go.countDown();
            for (Thread canceller : cancellers) {
                canceller.join();
            }
            assertThat(sink.end.await(5, TimeUnit.SECONDS)).as("round " + round).isTrue();
            assertThat(sink.terminal())
                    .as("round " + round)
                    .isIn(
                            new TokenEvent.Finished(FinishReason.ABORT, -1),
                            new TokenEvent.Finished(FinishReason.LENGTH, -1));
        }
        assertThat(death).isNotDone();
    }
}
