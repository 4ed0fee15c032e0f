package dev.sluice.sim;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.executor.sim.SimulatedExecutor;
import dev.sluice.kv.BlockPool;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Stands before the simulated executor and reads the work orders: how many prompt tokens were really computed for each
 * sequence, and whether those that were admitted next to running ones have left the watermark's blocks free.
 */
final class WatchedExecutor implements ModelExecutor {

    private final SimulatedExecutor executor;
    private final BlockPool pool;
    private final int watermarkBlocks;
    private final Map<Long, Integer> promptTokens = new HashMap<>();
    private final Consumer<Set<Long>> inVain;
    private final Set<Long> running = new HashSet<>();
    private String problem = "";

    /** @param inVain told, with each result, who shared blocks that another one was to compute and did not */
    WatchedExecutor(SimulatedExecutor executor, BlockPool pool, int watermarkBlocks, Consumer<Set<Long>> inVain) {
        this.inVain = inVain;
        this.executor = executor;
        this.pool = pool;
        this.watermarkBlocks = watermarkBlocks;
    }

    /** A sequence has lost its blocks: the next time it is in a step it has been admitted anew. */
    void preempted(long sequence) {
        running.remove(sequence);
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
        int last = plan.size() - 1;
        boolean[] admitted = new boolean[plan.size()];
        for (int i = 0; i < admitted.length; i++) {
            admitted[i] = running.add(plan.get(i).sequence);
        }
        if (last > 0 && admitted[last]) {
            int left = pool.free() + surplus(plan.get(last));
            if (left < watermarkBlocks) {
                problem = "step " + plan.step() + " admits and leaves " + left + " free blocks of " + watermarkBlocks;
            }
        }
        inVain.accept(Set.of());
        PendingStep step = executor.submit(plan);
        return () -> {
            StepResult result = step.join();
            inVain.accept(sharersOfFailed(plan, result, admitted));
            for (int i = 0; i < plan.size(); i++) {
                ScheduledSequence line = plan.get(i);
                int tokens = Math.min(line.start + line.count, line.promptLength) - line.start;
                if (tokens > 0) {
                    promptTokens.merge(line.sequence, tokens, Integer::sum);
                }
            }
            return result;
        };
    }

    /** Blocks that a sequence was given for a load, and does not need yet since a part of that failed. */
    private int surplus(ScheduledSequence line) {
        return line.blockCount - executor.spec().kv().blocksFor(line.start + line.count);
    }

    private Set<Long> sharersOfFailed(StepPlan plan, StepResult result, boolean[] admitted) {
        Set<Long> sharers = new HashSet<>();
        Set<Integer> loaded = new HashSet<>(); // in this step: found by others before they are there
        for (BlockTransfer load : plan.transfers().loads()) {
            for (int block : load.blocks()) {
                loaded.add(block);
            }
        }
        for (int i = 0; i < plan.size(); i++) {
            for (int j = i + 1; j < plan.size() && result.failure(i) != null; j++) {
                if (admitted[j] && shares(plan.get(i), plan.get(j), loaded)) {
                    sharers.add(plan.get(j).sequence);
                }
            }
        }
        return sharers;
    }

    /** True if the other one holds a block that the line fills, by computing or by a load of the step. */
    private boolean shares(ScheduledSequence line, ScheduledSequence other, Set<Integer> loaded) {
        int blockSize = executor.spec().kv().blockSize();
        int end = Math.min((line.start + line.count) / blockSize, other.blockCount);
        for (int block = 0; block < end; block++) {
            boolean filled = block >= line.start / blockSize || loaded.contains(line.blocks[block]);
            if (filled && line.blocks[block] == other.blocks[block]) {
                return true;
            }
        }
        return false;
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
