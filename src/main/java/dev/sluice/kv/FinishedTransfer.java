package dev.sluice.kv;

/**
 * How a copy job ended.
 *
 * @param failed positions in the job's arrays whose copy failed or whose page did not hold what it should; empty if all
 *     went well
 * @param nanos time that the copy took
 */
@SuppressWarnings("ArrayRecordComponent") // short-lived message between two rooms
public record FinishedTransfer(long job, int[] failed, long nanos) {

    public boolean succeeded() {
        return failed.length == 0;
    }
}
