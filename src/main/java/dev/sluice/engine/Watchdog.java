package dev.sluice.engine;

import dev.sluice.runtime.Clock;
import dev.sluice.runtime.Threads;
import dev.sluice.scheduler.SchedulerSnapshot;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches the scheduler's heartbeat: whether its turns end, and whether its steps succeed.
 *
 * <p>A turn that takes longer than the limit costs the server its readiness and leaves one dump of all threads in the
 * log; one that takes twice as long is held to be stuck for ever. Nothing here asks the scheduler anything, since a stuck
 * one would not answer.
 */
final class Watchdog {

    private static final Logger LOG = LoggerFactory.getLogger(Watchdog.class);
    private static final int FAILED_STEPS_MAX = 3;
    private static final long LOOK_MILLIS_MAX = 1_000;

    private final Supplier<SchedulerSnapshot> snapshots;
    private final Clock clock;
    private final long limitNanos;
    private boolean dumped;

    Watchdog(Supplier<SchedulerSnapshot> snapshots, Clock clock, Duration limit) {
        this.snapshots = snapshots;
        this.clock = clock;
        limitNanos = limit.toNanos();
    }

    /** True while turns end in time and steps succeed. */
    boolean isHealthy() {
        SchedulerSnapshot snapshot = snapshots.get();
        return snapshot.failedStepsInARow() < FAILED_STEPS_MAX && silence(snapshot) <= limitNanos;
    }

    /** True if no turn has ended for so long that none will. */
    boolean isStuck() {
        return silence(snapshots.get()) / 2 > limitNanos;
    }

    private long silence(SchedulerSnapshot snapshot) {
        return clock.monotonicNanos() - snapshot.lastProgressNanos();
    }

    /** Looks once; writes a dump at the first look in a hang. */
    void look() {
        boolean late = silence(snapshots.get()) > limitNanos;
        if (late && !dumped) {
            LOG.error("No turn has ended for {} ms; all threads:\n{}", limitNanos / 1_000_000, stacks());
        }
        dumped = late;
    }

    private static String stacks() {
        StringBuilder text = new StringBuilder();
        for (Map.Entry<Thread, StackTraceElement[]> entry :
                Thread.getAllStackTraces().entrySet()) {
            Thread thread = entry.getKey();
            text.append(thread.getName()).append(' ').append(thread.getState()).append('\n');
            for (StackTraceElement frame : entry.getValue()) {
                text.append("    at ").append(frame).append('\n');
            }
        }
        return text.toString();
    }

    /** Looks again and again, on a thread of its own. */
    void start(BooleanSupplier running) {
        long pause = Math.clamp(limitNanos / 4_000_000, 1, LOOK_MILLIS_MAX);
        Threads.named("sluice-watchdog", () -> {
                    try {
                        while (running.getAsBoolean()) {
                            TimeUnit.MILLISECONDS.sleep(pause);
                            look();
                        }
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                })
                .start();
    }
}
