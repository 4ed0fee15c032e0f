package dev.sluice.metrics;

import dev.sluice.metrics.TokenCounters.Totals;
import dev.sluice.runtime.Threads;
import dev.sluice.scheduler.SchedulerSnapshot;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One line about the engine every interval in which it did anything. */
public final class EngineLog implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(EngineLog.class);

    private static final double INTERVAL_SECONDS = 10;

    private final RequestMetricsRecorder recorder;
    private final Supplier<SchedulerSnapshot> snapshots;
    private Totals last;
    private volatile boolean closed;

    public EngineLog(RequestMetricsRecorder recorder, Supplier<SchedulerSnapshot> snapshots) {
        this.recorder = recorder;
        this.snapshots = snapshots;
        last = recorder.totals();
    }

    /** Writes lines until {@link #close}, on a thread of its own. */
    public void start() {
        Threads.named("sluice-engine-log", () -> {
                    try {
                        while (!closed) {
                            TimeUnit.MILLISECONDS.sleep((long) (1000 * INTERVAL_SECONDS));
                            tick(INTERVAL_SECONDS);
                        }
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                })
                .start();
    }

    @Override
    public void close() {
        closed = true;
    }

    /** Writes the line for the interval that has passed; nothing if nothing happened. */
    public void tick(double intervalSeconds) {
        Totals totals = recorder.totals();
        SchedulerSnapshot now = snapshots.get();
        long prompt = totals.computed() - last.computed();
        long generated = totals.generated() - last.generated();
        last = totals;
        if (prompt + generated + now.running() + now.waiting() == 0) {
            return;
        }
        LOG.info(
                "prompt {} tokens/s, generation {} tokens/s, running {}, waiting {}, KV cache {} %, prefix hits {} %",
                rate(prompt, intervalSeconds),
                rate(generated, intervalSeconds),
                now.running(),
                now.waiting(),
                String.format(Locale.ROOT, "%.1f", 100 * now.kvUsage()),
                String.format(Locale.ROOT, "%.1f", 100 * recorder.prefixHitRate()));
    }

    private static String rate(long count, double seconds) {
        return String.format(Locale.ROOT, "%.1f", count / seconds);
    }
}
