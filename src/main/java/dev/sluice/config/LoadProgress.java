package dev.sluice.config;

import dev.sluice.model.hub.DownloadProgress;
import dev.sluice.runtime.Clock;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** How far a download is: a log line every few seconds, and a number for the health page. */
final class LoadProgress implements DownloadProgress {

    private static final Logger LOG = LoggerFactory.getLogger(LoadProgress.class);
    private static final long INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long MIB = 1L << 20;

    private final Clock clock;
    private volatile double share;
    private long nextLogNanos;

    LoadProgress(Clock clock) {
        this.clock = clock;
        nextLogNanos = clock.monotonicNanos();
    }

    /** Share of the model's bytes that are there, 0 to 1. */
    double share() {
        return share;
    }

    @Override
    public void advanced(String file, long fileBytes, long fileBytesTotal, long modelBytes, long modelBytesTotal) {
        share = modelBytesTotal == 0 ? 0 : (double) modelBytes / modelBytesTotal;
        long now = clock.monotonicNanos();
        if (now - nextLogNanos >= 0 || modelBytes == modelBytesTotal) {
            nextLogNanos = now + INTERVAL_NANOS;
            LOG.info(
                    "Downloading the model: {} of {} MiB ({} %), now {}",
                    modelBytes / MIB, modelBytesTotal / MIB, (int) (100 * share), file);
        }
    }
}
