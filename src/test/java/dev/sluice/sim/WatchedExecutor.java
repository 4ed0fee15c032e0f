package dev.sluice.sim;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.BlockPool;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Stands before the simulated executor and reads the work orders: how many prompt tokens were really computed for each
 * sequence, and whether those that were admitted next to running ones have left the watermark's blocks free.
 */
final class WatchedExecutor implements ModelExecutor {

    private final SimulatedExecutor executor;
    private final BlockPool pool;
    private final int watermarkBlocks;
    private final Map<Long, Integer> promptTokens = new HashMap<>();
    private String problem = "";

    WatchedExecutor(SimulatedExecutor executor, BlockPool pool, int watermarkBlocks) {
        this.executor = executor;
        this.pool = pool;
        this.watermarkBlocks = watermarkBlocks;
    }

    void verify() {
        if (!problem.isEmpty()) {
            throw new IllegalStateException(problem);
        }
    }

    /** Prompt tokens computed for a sequence, in steps that did not fail. */
    int promptTokens(long sequence) {
        return promptTokens.getOrDefault(sequence, 0);
    }

    @Override
    public PendingStep submit(StepPlan plan) {
        boolean admits = plan.size() > 0 && plan.get(plan.size() - 1).kind != ScheduledSequence.Kind.RUNNING;
        if (admits && plan.size() > 1 && pool.free() < watermarkBlocks) {
            problem =
                    "step " + plan.step() + " admits and leaves " + pool.free() + " free blocks of " + watermarkBlocks;
        }
        PendingStep step = executor.submit(plan);
        return new PendingStep() {
            @Override
            public boolean isDone() {
                return step.isDone();
            }

            @Override
            public StepResult join() {
                StepResult result = step.join();
                for (int i = 0; i < plan.size(); i++) {
                    ScheduledSequence line = plan.get(i);
                    int tokens = Math.min(line.start + line.count, line.promptLength) - line.start;
                    if (tokens > 0) {
                        promptTokens.merge(line.sequence, tokens, Integer::sum);
                    }
                }
                return result;
            }
        };
    }

    @Override
    public ExecutorSpec spec() {
        return executor.spec();
    }

    @Override
    public boolean runsBesideItsCaller() {
        return executor.runsBesideItsCaller();
    }

    @Override
    public HostPages allocateHostPages(int count) {
        return executor.allocateHostPages(count);
    }

    @Override
    public List<FinishedTransfer> pollTransfers() {
        return executor.pollTransfers();
    }

    @Override
    public void close() {
        executor.close();
    }
}
