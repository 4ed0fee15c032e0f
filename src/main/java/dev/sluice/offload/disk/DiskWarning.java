package dev.sluice.offload.disk;

import dev.sluice.runtime.Clock;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A warning that is given at most once a minute, however often its cause comes; safe for several threads. */
final class DiskWarning {

    private static final Logger LOG = LoggerFactory.getLogger(DiskWarning.class);
    private static final long INTERVAL_NANOS = TimeUnit.MINUTES.toNanos(1);

    private final String what;
    private final Clock clock;
    private long lastNanos;
    private long unsaid;
    private boolean said;

    DiskWarning(String what, Clock clock) {
        this.what = what;
        this.clock = clock;
    }

    synchronized void give(Object subject, Throwable cause) {
        unsaid++;
        long now = clock.monotonicNanos();
        if (said && now - lastNanos < INTERVAL_NANOS) {
            return;
        }
        LOG.warn("{}: {}: {} (happened {} times since the last warning)", what, subject, cause.toString(), unsaid);
        said = true;
        lastNanos = now;
        unsaid = 0;
    }
}
