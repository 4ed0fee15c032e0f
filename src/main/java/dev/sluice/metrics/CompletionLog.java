package dev.sluice.metrics;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.LifecycleListener;
import dev.sluice.scheduler.PromptWork;
import dev.sluice.scheduler.RequestTimeline;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Passes everything on to the recorder and writes one line for each ended sequence: numbers, never content. At the level DEBUG,
 * since clients decide how many of them there are.
 */
public record CompletionLog(LifecycleListener next) implements LifecycleListener {

    private static final Logger LOG = LoggerFactory.getLogger(CompletionLog.class);
    private static final long MILLI = 1_000_000;

    @Override
    public void onQueued(RequestTimeline request) {
        next.onQueued(request);
    }

    @Override
    public void onScheduled(RequestTimeline request) {
        next.onScheduled(request);
    }

    @Override
    public void onPreempted(RequestTimeline request) {
        next.onPreempted(request);
    }

    @Override
    public void onPrefilled(RequestTimeline request, PrefillRecord record) {
        next.onPrefilled(request, record);
    }

    @Override
    public void onToken(RequestTimeline request, long previousNanos) {
        next.onToken(request, previousNanos);
    }

    @Override
    public void onFinished(RequestTimeline request, FinishReason reason) {
        next.onFinished(request, reason);
        if (!LOG.isDebugEnabled()) {
            return;
        }
        PrefillRecord prefill = request.prefill();
        if (prefill == null) {
            LOG.debug("{} ended before its first token: {}", request.request().id(), reason.label());
            return;
        }
        long arrival = request.request().arrivalNanos();
        LOG.debug(
                "{} prompt={} local={} external={} output={} preempted={} queue={}ms ttft={}ms total={}ms {}",
                request.request().id(),
                prefill.promptTokens(),
                prefill.localTokens(),
                prefill.externalTokens(),
                request.outputTokens(),
                request.preemptions(),
                (request.scheduledNanos() - arrival) / MILLI,
                (request.firstTokenNanos() - arrival) / MILLI,
                (request.lastTokenNanos() - arrival) / MILLI,
                reason.label());
    }

    @Override
    public void onLocalLookup(int queriedTokens, int hitTokens, boolean resumed) {
        next.onLocalLookup(queriedTokens, hitTokens, resumed);
    }

    @Override
    public void onExternalLookup(int queriedTokens, int hitTokens, boolean resumed) {
        next.onExternalLookup(queriedTokens, hitTokens, resumed);
    }

    @Override
    public void onLoadFailed(RequestTimeline request) {
        next.onLoadFailed(request);
    }

    @Override
    public void onPromptWork(RequestTimeline request, PromptWork outcome, int tokens) {
        next.onPromptWork(request, outcome, tokens);
    }

    @Override
    public void onStep(int sequences, int promptTokens, int outputTokens, long nanos) {
        next.onStep(sequences, promptTokens, outputTokens, nanos);
    }
}
