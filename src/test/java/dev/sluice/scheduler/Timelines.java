package dev.sluice.scheduler;

import dev.sluice.request.GenerationRequest;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;

/** Makes timelines for tests of listeners, which cannot write them. */
public final class Timelines {

    private Timelines() {}

    /** A request that was queued at 1 s, scheduled at 2 s, and got its tokens from 3 s on, one a second. */
    public static RequestTimeline finished(PrefillRecord record, int outputs) {
        long second = 1_000_000_000L;
        GenerationRequest request = new GenerationRequest(
                "r",
                new int[record.promptTokens()],
                SamplingParams.greedy(outputs),
                0,
                null,
                Integer.MAX_VALUE,
                second / 2,
                Long.MAX_VALUE,
                Long.MAX_VALUE,
                false);
        RequestTimeline timeline = new RequestTimeline(request);
        timeline.queuedNanos = second;
        timeline.scheduledNanos = 2 * second;
        timeline.firstTokenNanos = 3 * second;
        timeline.lastTokenNanos = (2 + outputs) * second;
        timeline.outputTokens = outputs;
        timeline.prefill = record;
        return timeline;
    }
}
