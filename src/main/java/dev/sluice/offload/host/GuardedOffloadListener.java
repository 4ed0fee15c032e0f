package dev.sluice.offload.host;

import dev.sluice.offload.OffloadListener;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.LineBudget;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stands between a connector and its listener: whatever the listener throws ends here. Counting must not look like a failure
 * of the tiers, which would switch them off.
 */
record GuardedOffloadListener(OffloadListener target, LineBudget lines) implements OffloadListener {

    private static final Logger LOG = LoggerFactory.getLogger(GuardedOffloadListener.class);
    private static final Duration LOG_INTERVAL = Duration.ofMinutes(1);

    static OffloadListener of(OffloadListener target, Clock clock) {
        return new GuardedOffloadListener(target, new LineBudget(clock, 1, LOG_INTERVAL));
    }

    @Override
    public void onStored(String tier, long bytes, long nanos) {
        try {
            target.onStored(tier, bytes, nanos);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onLoaded(String tier, long bytes, long nanos) {
        try {
            target.onLoaded(tier, bytes, nanos);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onFailed(String tier, boolean load) {
        try {
            target.onFailed(tier, load);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    private void failed(RuntimeException e) {
        long before = lines.take();
        if (before >= 0) {
            LOG.error("An offload listener failed ({} times more since the line before); serving goes on", before, e);
        }
    }
}
