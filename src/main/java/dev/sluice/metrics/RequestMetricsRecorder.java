package dev.sluice.metrics;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.LifecycleListener;
import dev.sluice.scheduler.PromptWork;
import dev.sluice.scheduler.RequestTimeline;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.function.IntConsumer;

/**
 * Hears what happens to requests and keeps the numbers. The prefill record of a request is taken as a whole, once, when
 * its first token is there; nothing is ever derived by subtracting two numbers that were noted at different times.
 */
public final class RequestMetricsRecorder implements LifecycleListener {

    private static final double NANOS = 1e-9;

    private final TokenCounters counters = new TokenCounters();
    private final PrefixHitRate hitRate = new PrefixHitRate(1000);
    private final DistributionSummary ttft;
    private final DistributionSummary interToken;
    private final DistributionSummary perOutputToken;
    private final DistributionSummary endToEnd;
    private final DistributionSummary queueTime;
    private final DistributionSummary prefillTime;
    private final DistributionSummary decodeTime;
    private final DistributionSummary inferenceTime;
    private final DistributionSummary promptTokens;
    private final DistributionSummary generationTokens;
    private final DistributionSummary maxTokens;
    private final DistributionSummary prefillComputed;
    private final IntConsumer iterationTokens;
    private final DistributionSummary stepSeconds;

    /** Registers all meters, at zero. */
    public RequestMetricsRecorder(MeterRegistry registry, String modelName, int contextLength) {
        TokenSeries.register(counters, registry, modelName);
        Meters meters = Meters.ofEngine(registry, modelName);
        double[] lengths = Buckets.oneTwoFive(contextLength);
        ttft = meters.histogram(SluiceMeter.TTFT, Buckets.TTFT);
        interToken = meters.histogram(SluiceMeter.INTER_TOKEN, Buckets.TOKEN);
        perOutputToken = meters.histogram(SluiceMeter.PER_OUTPUT_TOKEN, Buckets.TOKEN);
        endToEnd = meters.histogram(SluiceMeter.E2E, Buckets.REQUEST);
        queueTime = meters.histogram(SluiceMeter.QUEUE_TIME, Buckets.REQUEST);
        prefillTime = meters.histogram(SluiceMeter.PREFILL_TIME, Buckets.REQUEST);
        decodeTime = meters.histogram(SluiceMeter.DECODE_TIME, Buckets.REQUEST);
        inferenceTime = meters.histogram(SluiceMeter.INFERENCE_TIME, Buckets.REQUEST);
        promptTokens = meters.histogram(SluiceMeter.REQUEST_PROMPT_TOKENS, lengths);
        generationTokens = meters.histogram(SluiceMeter.REQUEST_GENERATION_TOKENS, lengths);
        maxTokens = meters.histogram(SluiceMeter.REQUEST_MAX_TOKENS, lengths);
        prefillComputed = meters.histogram(SluiceMeter.PREFILL_COMPUTED, lengths);
        iterationTokens = IterationTokens.register(registry, modelName);
        stepSeconds = meters.histogram(SluiceMeter.STEP_SECONDS, Buckets.STEP);
    }

    /** All sums of this moment, for the log line and for tests. */
    TokenCounters.Totals totals() {
        return counters.totals();
    }

    /** Share of looked-up tokens that were found, over the most recent requests. */
    double prefixHitRate() {
        return hitRate.rate();
    }

    @Override
    public void onPreempted(RequestTimeline request) {
        counters.preempted();
    }

    @Override
    public void onPrefilled(RequestTimeline request, PrefillRecord record) {
        counters.add(record);
    }

    @Override
    public void onToken(RequestTimeline request, long previousNanos) {
        counters.generated();
        if (previousNanos == RequestTimeline.NEVER) {
            ttft.record((request.lastTokenNanos() - request.request().arrivalNanos()) * NANOS);
        } else {
            interToken.record((request.lastTokenNanos() - previousNanos) * NANOS);
        }
    }

    @Override
    public void onFinished(RequestTimeline request, FinishReason reason) {
        counters.finished(reason);
        PrefillRecord prefill = request.prefill();
        if (prefill == null || reason == FinishReason.ABORT) {
            return; // aborted ones count, but their times say nothing about the service
        }
        long first = request.firstTokenNanos();
        long last = request.lastTokenNanos();
        long scheduled = request.scheduledNanos();
        int outputs = request.outputTokens();
        endToEnd.record((last - request.request().arrivalNanos()) * NANOS);
        queueTime.record((scheduled - request.queuedNanos()) * NANOS);
        prefillTime.record((first - scheduled) * NANOS);
        decodeTime.record((last - first) * NANOS);
        inferenceTime.record((last - scheduled) * NANOS);
        perOutputToken.record(outputs > 1 ? (last - first) * NANOS / (outputs - 1) : 0);
        promptTokens.record(prefill.promptTokens());
        generationTokens.record(outputs);
        maxTokens.record(request.request().sampling().maxTokens());
        prefillComputed.record(prefill.computedTokens());
    }

    @Override
    public void onLocalLookup(int queriedTokens, int hitTokens, boolean resumed) {
        counters.localLookup(queriedTokens, hitTokens, resumed);
        if (!resumed) {
            hitRate.observe(1, queriedTokens, hitTokens);
        }
    }

    @Override
    public void onExternalLookup(int queriedTokens, int hitTokens, boolean resumed) {
        counters.externalLookup(queriedTokens, hitTokens, resumed);
    }

    @Override
    public void onLoadFailed(RequestTimeline request) {
        counters.loadFailed();
    }

    @Override
    public void onPromptWork(RequestTimeline request, PromptWork outcome, int tokens) {
        counters.promptWork(outcome, tokens);
    }

    @Override
    public void onStep(int sequences, int promptTokensComputed, int outputTokens, long nanos) {
        counters.promptComputed(promptTokensComputed);
        iterationTokens.accept(promptTokensComputed + outputTokens);
        stepSeconds.record(nanos * NANOS);
    }
}
