package dev.sluice.scheduler;

import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.TokenSink;

/** The scheduler bean: its life cycle, its thread, and the door through which requests come in. */
public final class ContinuousBatchingScheduler {

    private volatile SchedulerSnapshot snapshot = new SchedulerSnapshot(0, 0, 0, 0, 0, 0, 0, 0);
    private volatile boolean alive;

    /**
     * Hands a request over; its events come through the sink, on the scheduler's thread.
     *
     * @return false if the inbox is full or the scheduler does not run: nothing was taken, nothing will be emitted
     */
    public boolean submit(GenerationRequest request, TokenSink sink) {
        return alive;
    }

    /**
     * Ends a request early: {@link FinishReason#STOP} when its text matched a stop string, {@link FinishReason#ABORT}
     * when the client is gone. Unknown and ended ids are ignored, so this can be called any number of times.
     */
    public void cancel(String requestId, FinishReason reason) {
        alive = false;
    }

    /** The state at the end of the latest turn; any thread. */
    public SchedulerSnapshot snapshot() {
        return snapshot;
    }

    /** True while the loop's thread lives and no fatal failure has happened; any thread. */
    public boolean isAlive() {
        return alive;
    }
}
