package dev.sluice.engine;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.request.FailureKind;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.Threads;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.beans.factory.DisposableBean;

/**
 * The end of the service. What runs may finish; shortly before the time is over, the rest ends with an error; when it is
 * over, every connection is closed, so that no client decides how long the end takes.
 */
public final class Drain implements DisposableBean {

    private static final Logger LOG = LoggerFactory.getLogger(Drain.class);
    private static final long POLL_MILLIS = 20;
    private static final long LAST_WORDS_NANOS_MAX = TimeUnit.SECONDS.toNanos(2); // for errors to reach their readers
    private static final long CLOSING_NANOS_MAX = TimeUnit.MILLISECONDS.toNanos(500); // for the process itself to end
    private static final long TOTAL_NANOS_MIN = TimeUnit.SECONDS.toNanos(1);
    private static final long HURRIED_NANOS = TimeUnit.MILLISECONDS.toNanos(300);

    private final Runnable closeConnections;
    private final long drainNanos;
    private final Clock clock;
    private volatile long startNanos;
    private volatile long hurriedAtNanos;
    private volatile boolean hurried;
    private volatile boolean over;

    /**
     * @param closeConnections closes those of all clients, and every one that still comes
     * @param drain from the beginning until the process is gone
     */
    public Drain(Runnable closeConnections, Duration drain, Clock clock) {
        this.closeConnections = closeConnections;
        drainNanos = drain.toNanos();
        this.clock = clock;
    }

    /** Cuts it short: what runs ends now. */
    public void hurry() {
        if (!hurried) {
            hurriedAtNanos = clock.monotonicNanos();
            hurried = true;
        }
    }

    /** Begins: from now on the time runs, whatever else the end of the process still waits for. */
    void begin() {
        startNanos = clock.monotonicNanos();
        Threads.named("sluice-drain", () -> {
                    long closing = drainNanos - Math.min(CLOSING_NANOS_MAX, drainNanos / 8);
                    while (!over && !isAfter(Math.max(closing, TOTAL_NANOS_MIN), HURRIED_NANOS)) {
                        sleep();
                    }
                    closeConnections.run();
                })
                .start();
    }

    /** Waits until nothing runs any more, and ends what takes too long. */
    void await(AdmissionControl admission, ContinuousBatchingScheduler loop) {
        long lastWords = Math.min(LAST_WORDS_NANOS_MAX, drainNanos / 4);
        while (admission.sequences() > 0 && !isAfter(drainNanos - lastWords, 0)) {
            sleep();
        }
        int left = admission.sequences();
        if (left > 0) {
            LOG.warn("{} sequences did not finish within the drain time; they end with an error", left);
            loop.failAll(FailureKind.DRAINING, "the server is shutting down");
        }
        // The connections of those that do not even take that are closed meanwhile, and with them ends what they hold.
        while (admission.sequences() > 0 && !isAfter(drainNanos + TOTAL_NANOS_MIN, 2 * HURRIED_NANOS)) {
            sleep();
        }
    }

    /** True so long after the beginning, or after {@link #hurry}. */
    private boolean isAfter(long nanos, long hurriedNanos) {
        long now = clock.monotonicNanos();
        return now - startNanos >= nanos || (hurried && now - hurriedAtNanos >= hurriedNanos);
    }

    private void sleep() {
        try {
            TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            hurry();
        }
    }

    @Override
    public void destroy() {
        over = true;
    }
}
