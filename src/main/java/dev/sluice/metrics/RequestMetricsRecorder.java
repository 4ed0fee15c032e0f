package dev.sluice.metrics;

import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.scheduler.LifecycleListener;
import dev.sluice.scheduler.PromptWork;
import dev.sluice.scheduler.RequestTimeline;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Tags;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;

/**
 * Hears what happens to requests and keeps the numbers. The prefill record of a request is taken as a whole, once, when
 * its first token is there; nothing is ever derived by subtracting two numbers that were noted at different times.
 */
public final class RequestMetricsRecorder implements LifecycleListener {

    private static final double NANOS = 1e-9;

    private final TokenBooks books = new TokenBooks();
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
    private final IterationTokens iterationTokens;
    private final DistributionSummary stepSeconds;

    /** Registers all meters, at zero. */
    public RequestMetricsRecorder(PrometheusMeterRegistry registry, String modelName, int contextLength) {
        registry.getPrometheusRegistry().register(new TokenBooksCollector(books, modelName));
        Tags tags = Tags.of("model_name", modelName, "engine", "0");
        double[] lengths = Buckets.oneTwoFive(contextLength);
        ttft = histogram(registry, tags, MeterNames.TTFT, Buckets.TTFT);
        interToken = histogram(registry, tags, MeterNames.INTER_TOKEN, Buckets.TOKEN);
        perOutputToken = histogram(registry, tags, MeterNames.PER_OUTPUT_TOKEN, Buckets.TOKEN);
        endToEnd = histogram(registry, tags, MeterNames.E2E, Buckets.REQUEST);
        queueTime = histogram(registry, tags, MeterNames.QUEUE_TIME, Buckets.REQUEST);
        prefillTime = histogram(registry, tags, MeterNames.PREFILL_TIME, Buckets.REQUEST);
        decodeTime = histogram(registry, tags, MeterNames.DECODE_TIME, Buckets.REQUEST);
        inferenceTime = histogram(registry, tags, MeterNames.INFERENCE_TIME, Buckets.REQUEST);
        promptTokens = histogram(registry, tags, MeterNames.REQUEST_PROMPT_TOKENS, lengths);
        generationTokens = histogram(registry, tags, MeterNames.REQUEST_GENERATION_TOKENS, lengths);
        maxTokens = histogram(registry, tags, MeterNames.REQUEST_MAX_TOKENS, lengths);
        prefillComputed = histogram(registry, tags, MeterNames.PREFILL_COMPUTED, lengths);
        iterationTokens = new IterationTokens(modelName);
        registry.getPrometheusRegistry().register(iterationTokens);
        stepSeconds = histogram(registry, tags, MeterNames.STEP_SECONDS, Buckets.STEP);
    }

    private static DistributionSummary histogram(
            PrometheusMeterRegistry registry, Tags tags, String name, double[] buckets) {
        return DistributionSummary.builder(name)
                .tags(tags)
                .serviceLevelObjectives(buckets)
                .register(registry);
    }

    /** All sums of this moment, for the log line and for tests. */
    TokenBooks.Totals totals() {
        return books.totals();
    }

    /** Share of looked-up tokens that were found, over the most recent requests. */
    double prefixHitRate() {
        return hitRate.rate();
    }

    @Override
    public void onPreempted(RequestTimeline request) {
        books.preempted();
    }

    @Override
    public void onPrefilled(RequestTimeline request, PrefillRecord record) {
        books.add(record);
    }

    @Override
    public void onToken(RequestTimeline request, long previousNanos) {
        books.generated();
        if (previousNanos == RequestTimeline.NEVER) {
            ttft.record((request.lastTokenNanos() - request.request().arrivalNanos()) * NANOS);
        } else {
            interToken.record((request.lastTokenNanos() - previousNanos) * NANOS);
        }
    }

    @Override
    public void onFinished(RequestTimeline request, FinishReason reason) {
        books.finished(reason);
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
        books.localLookup(queriedTokens, hitTokens, resumed);
        if (!resumed) {
            hitRate.observe(1, queriedTokens, hitTokens);
        }
    }

    @Override
    public void onExternalLookup(int queriedTokens, int hitTokens, boolean resumed) {
        books.externalLookup(queriedTokens, hitTokens, resumed);
    }

    @Override
    public void onLoadFailed(RequestTimeline request) {
        books.loadFailed();
    }

    @Override
    public void onPromptWork(RequestTimeline request, PromptWork outcome, int tokens) {
        books.promptWork(outcome, tokens);
    }

    @Override
    public void onStep(int sequences, int promptTokensComputed, int outputTokens, long nanos) {
        books.promptComputed(promptTokensComputed);
        iterationTokens.observe(promptTokensComputed + outputTokens);
        stepSeconds.record(nanos * NANOS);
    }
}
