package dev.sluice.it;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * The real executor, some of whose loads fail: half of them because a bit of the host page was flipped before, half
 * because the copy is reported as failed. Called by the scheduler's thread only.
 */
final class FaultyCopies implements ModelExecutor {

    private final ModelExecutor executor;
    private final double rate;
    private final Random random = new Random(42);
    private final Set<Long> failing = new HashSet<>();
    private volatile int flipped;
    private volatile int failed;
    private HostPages pages;

    FaultyCopies(ModelExecutor executor, double rate) {
        this.executor = executor;
        this.rate = rate;
    }

    int flipped() {
        return flipped;
    }

    int failed() {
        return failed;
    }

    @Override
    public HostPages allocateHostPages(int count) {
        pages = executor.allocateHostPages(count);
        return pages;
    }

    @Override
    public PendingStep submit(StepPlan plan) {
        for (BlockTransfer load : plan.transfers().loads()) {
            if (random.nextDouble() >= rate) {
                continue;
            }
            if (random.nextBoolean()) {
                MemorySegment page = pages.page(load.pages()[random.nextInt(load.pages().length)]);
                long at = random.nextLong(page.byteSize());
                page.set(ValueLayout.JAVA_BYTE, at, (byte) (page.get(ValueLayout.JAVA_BYTE, at) ^ 4));
                flipped++;
            } else {
                failing.add(load.job());
                failed++;
            }
        }
        return executor.submit(plan);
    }

    @Override
    public List<FinishedTransfer> pollTransfers() {
        return executor.pollTransfers().stream()
                .map(end -> failing.remove(end.job()) ? new FinishedTransfer(end.job(), all(end), end.nanos()) : end)
                .toList();
    }

    /** The first block is the harshest failure: nothing of the load can be used. */
    private static int[] all(FinishedTransfer end) {
        return IntStream.concat(IntStream.of(0), IntStream.of(end.failed()))
                .distinct()
                .toArray();
    }

    @Override
    public ExecutorSpec spec() {
        return executor.spec();
    }

    @Override
    public void close() {
        executor.close();
    }
}
