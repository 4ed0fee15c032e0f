package dev.sluice.scheduler;

/**
 * The state of the scheduler at the end of a turn, for gauges, health and tests; published as one immutable value.
 *
 * @param running requests in the batch
 * @param waitingForCapacity requests in the waiting queue
 * @param waitingDeferred requests held back for another reason than capacity
 * @param blocksUsed blocks held by requests
 * @param blocksUsable all blocks but the null block
 * @param blocksCached free blocks that still carry reusable contents
 * @param steps executed so far
 * @param failedStepsInARow steps that failed as a whole since the last one that succeeded
 * @param connectorFailures calls of the connector that failed or were answered with what cannot be, so far
 * @param connectorOff the connector failed too often and is not used any more
 * @param lastProgressNanos monotonic time at which the latest turn ended: the heartbeat
 */
public record SchedulerSnapshot(
        int running,
        int waitingForCapacity,
        int waitingDeferred,
        int blocksUsed,
        int blocksUsable,
        int blocksCached,
        long steps,
        int failedStepsInARow,
        long connectorFailures,
        boolean connectorOff,
        long lastProgressNanos) {

    public int waiting() {
        return waitingForCapacity + waitingDeferred;
    }

    /** Share of usable blocks held by requests, in [0, 1]; cached but free blocks do not count. */
    public double kvUsage() {
        return blocksUsable == 0 ? 0 : (double) blocksUsed / blocksUsable;
    }
}
