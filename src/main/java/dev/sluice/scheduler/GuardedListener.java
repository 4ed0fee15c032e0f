package dev.sluice.scheduler;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.LineBudget;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stands between the loop and a listener: whatever the listener throws ends here, counted, and logged once a minute.
 * Counting must never be able to stop serving.
 */
final class GuardedListener implements LifecycleListener {

    private static final Logger LOG = LoggerFactory.getLogger(GuardedListener.class);
    private static final Duration LOG_INTERVAL = Duration.ofMinutes(1);

    private final LifecycleListener target;
    private final LineBudget lines;
    private long failures;

    GuardedListener(LifecycleListener target, Clock clock) {
        this.target = target;
        lines = new LineBudget(clock, 1, LOG_INTERVAL);
    }

    /** Calls that threw, so far. */
    long failures() {
        return failures;
    }

    private void failed(RuntimeException e) {
        failures++;
        if (lines.take() >= 0) {
            LOG.error("A lifecycle listener failed ({} times so far); serving goes on", failures, e);
        }
    }

    @Override
    public void onQueued(RequestTimeline request) {
        try {
            target.onQueued(request);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onScheduled(RequestTimeline request) {
        try {
            target.onScheduled(request);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onPreempted(RequestTimeline request) {
        try {
            target.onPreempted(request);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onPrefilled(RequestTimeline request, PrefillRecord record) {
        try {
            target.onPrefilled(request, record);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onToken(RequestTimeline request, long previousNanos) {
        try {
            target.onToken(request, previousNanos);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onFinished(RequestTimeline request, FinishReason reason) {
        try {
            target.onFinished(request, reason);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onLocalLookup(int queriedTokens, int hitTokens, boolean resumed) {
        try {
            target.onLocalLookup(queriedTokens, hitTokens, resumed);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onExternalLookup(int queriedTokens, int hitTokens, boolean resumed) {
        try {
            target.onExternalLookup(queriedTokens, hitTokens, resumed);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onLoadFailed(RequestTimeline request) {
        try {
            target.onLoadFailed(request);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onPromptWork(RequestTimeline request, PromptWork outcome, int tokens) {
        try {
            target.onPromptWork(request, outcome, tokens);
        } catch (RuntimeException e) {
            failed(e);
        }
    }

    @Override
    public void onStep(int sequences, int promptTokens, int outputTokens, long nanos) {
        try {
            target.onStep(sequences, promptTokens, outputTokens, nanos);
        } catch (RuntimeException e) {
            failed(e);
        }
    }
}
