package dev.sluice.scheduler;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.request.SamplingParams;
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

    private static final int OUTPUT = 512;

    /** Whether steps are begun ahead where that is possible: their planning then takes place while the device computes. */
    @Param({"false", "true"})
    public boolean overlap;

    private SteadyLoop loop;

    @Setup
    public void start() {
        int blocks = SteadyLoop.SEQUENCES * ((SteadyLoop.PROMPT + OUTPUT) / 16 + 2);
        loop = new SteadyLoop(
                new FreeExecutor(new KvLayout(blocks, 16)),
                overlap,
                number -> SamplingParams.greedy(OUTPUT - (int) (number * 7 % 256)));
    }

    /** One step: about 256 tokens. */
    @Benchmark
    public int step() {
        return loop.step();
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
                if (plan.get(i).samples()) {
                    result.addToken(i, (int) (plan.step() % 30_000), null);
                }
            }
            return PendingStep.done(result);
        }

        @Override
        public void close() {}
    }
}
