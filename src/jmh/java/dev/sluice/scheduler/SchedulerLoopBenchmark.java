package dev.sluice.scheduler;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.BlockHasher;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvCache;
import dev.sluice.kv.KvCacheListener;
import dev.sluice.kv.KvLayout;
import dev.sluice.offload.NoKvConnector;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.runtime.SystemClock;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the engine itself costs: planning and applying one step of 256 running sequences when computing costs nothing. A
 * sequence that ends is followed by a new one, so admission, release and block hashes are in the figure too.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class SchedulerLoopBenchmark {

    private static final int SEQUENCES = 256;
    private static final int PROMPT = 100;
    private static final int OUTPUT = 512;

    /** Whether steps are begun ahead where that is possible: their planning then takes place while the device computes. */
    @Param({"false", "true"})
    public boolean overlap;

    private SchedulerLoop loop;
    private long next;

    @Setup
    public void start() {
        KvLayout layout = new KvLayout(SEQUENCES * (PROMPT + OUTPUT) / 16 + 2 * SEQUENCES, 16);
        SchedulerSettings settings = new SchedulerSettings(
                SEQUENCES,
                2048,
                0,
                true,
                SchedulerSettings.Policy.FCFS,
                true,
                true,
                0,
                SchedulerSettings.LoadFailurePolicy.RECOMPUTE,
                overlap,
                4096,
                4096,
                10);
        loop = new SchedulerLoop(
                settings,
                new KvCache(layout, true, KvCacheListener.NONE),
                new BlockHasher(16, new byte[32]),
                new FreeExecutor(layout),
                new NoKvConnector(),
                new LifecycleListener() {},
                new SystemClock());
        for (int i = 0; i < SEQUENCES; i++) {
            submit();
        }
        while (loop.snapshot().running() < SEQUENCES) {
            loop.runOnce();
        }
    }

    private void submit() {
        int[] prompt = new int[PROMPT];
        for (int i = 0; i < PROMPT; i++) {
            prompt[i] = (int) ((next * 31 + i) % 30_000);
        }
        // Lengths differ, so that ends are spread over the steps.
        int outputs = OUTPUT - (int) (next * 7 % 256);
        TokenSink sink = event -> {
            if (event instanceof TokenEvent.Finished) {
                submit();
            }
            return true;
        };
        loop.submit(
                new GenerationRequest(
                        "r" + next++,
                        prompt,
                        SamplingParams.greedy(outputs),
                        0,
                        null,
                        Integer.MAX_VALUE,
                        0,
                        Long.MAX_VALUE,
                        Long.MAX_VALUE,
                        false),
                sink);
    }

    /** One step: about 256 tokens. */
    @Benchmark
    public int step() {
        return loop.runOnce();
    }

    private static final class FreeExecutor implements ModelExecutor {
        private final ExecutorSpec spec;
        private final StepResult[] results = {new StepResult(), new StepResult()};

        FreeExecutor(KvLayout layout) {
            spec = new ExecutorSpec("free", "none", 32_000, 4096, layout, 1, "none");
        }

        @Override
        public ExecutorSpec spec() {
            return spec;
        }

        @Override
        public HostPages allocateHostPages(int count) {
            throw new UnsupportedOperationException();
        }

        @Override
        public List<FinishedTransfer> pollTransfers() {
            return List.of();
        }

        @Override
        public boolean runsBesideItsCaller() {
            return true;
        }

        @Override
        public PendingStep submit(StepPlan plan) {
            StepResult result = results[(int) (plan.step() % 2)];
            result.begin(plan);
            for (int i = 0; i < plan.size(); i++) {
                result.setToken(i, (int) (plan.step() % 30_000));
            }
            return PendingStep.done(result);
        }

        @Override
        public void close() {}
    }
}
