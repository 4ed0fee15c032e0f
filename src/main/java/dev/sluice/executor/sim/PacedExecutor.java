package dev.sluice.executor.sim;

import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.StepResult;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.runtime.Clock;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * Lets every step of another executor take a given time, one after the other, as a device would: so that load tests meet a
 * server whose capacity is known.
 */
public final class PacedExecutor implements ModelExecutor {

    private final ModelExecutor executor;
    private final long stepNanos;
    private final Clock clock;
    private long busyUntil;

    /** @param stepNanos that each step takes at least */
    public PacedExecutor(ModelExecutor executor, long stepNanos, Clock clock) {
        this.executor = executor;
        this.stepNanos = stepNanos;
        this.clock = clock;
        busyUntil = clock.monotonicNanos();
    }

    @Override
    public ExecutorSpec spec() {
        return executor.spec();
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
    public boolean runsBesideItsCaller() {
        return executor.runsBesideItsCaller();
    }

    @Override
    public PendingStep submit(StepPlan plan) {
        PendingStep step = executor.submit(plan);
        long now = clock.monotonicNanos();
        busyUntil = (busyUntil - now > 0 ? busyUntil : now) + stepNanos;
        return new PacedStep(step, busyUntil, clock);
    }

    @Override
    public void close() {
        executor.close();
    }

    private record PacedStep(PendingStep step, long end, Clock clock) implements PendingStep {

        private long nanosLeft() {
            return end - clock.monotonicNanos();
        }

        @Override
        public StepResult join() {
            boolean interrupted = false;
            for (long left = nanosLeft(); left > 0; left = nanosLeft()) {
                LockSupport.parkNanos(this, left);
                interrupted |= Thread.interrupted(); // a device does not hurry for it
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            return step.join();
        }
    }
}
