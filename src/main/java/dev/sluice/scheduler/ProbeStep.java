package dev.sluice.scheduler;

import dev.sluice.executor.ScheduledSequence;
import dev.sluice.executor.StepPlan;
import dev.sluice.kv.BlockPool;
import dev.sluice.request.SamplingParams;
import java.util.concurrent.TimeUnit;

/**
 * A step of one token that nobody asked for: shows that an executor works again whose last steps failed. Without it a
 * server that is not ready, and so is sent nothing, would never find out.
 */
final class ProbeStep {

    private static final long INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final SamplingParams SAMPLING = SamplingParams.greedy(1);

    private final BlockPool pool;
    private final int[] tokens = {0};
    private final int[] blocks = new int[1];
    private long nextNanos;

    ProbeStep(BlockPool pool) {
        this.pool = pool;
    }

    /** A step has failed at this time: the next probe waits. */
    void postpone(long now) {
        nextNanos = now + INTERVAL_NANOS;
    }

    boolean isDue(long now) {
        return now - nextNanos >= 0 && pool.free() > 0;
    }

    /** Writes the plan's only line; returns the block it takes, which the caller gives back. */
    int writeTo(StepPlan plan) {
        blocks[0] = pool.allocate();
        ScheduledSequence line = plan.add(1);
        line.sequence = 0; // those of requests begin at 1
        line.sampling = SAMPLING;
        line.promptLength = 1;
        line.tokens = tokens;
        line.tokenCount = 1;
        line.start = 0;
        line.blocks = blocks;
        line.blockCount = 1;
        return blocks[0];
    }
}
