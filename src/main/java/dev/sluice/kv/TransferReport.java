package dev.sluice.kv;

/**
 * What the executor knows about copies after a step.
 *
 * @param invalidBlocks device blocks whose load failed
 * @param finishedReceiving sequences whose asynchronous load has ended, well or not
 * @param finishedSending sequences whose delayed release may happen
 * @param finishedJobs jobs that have ended
 */
@SuppressWarnings("ArrayRecordComponent") // short-lived message between two rooms
public record TransferReport(
        int[] invalidBlocks, long[] finishedReceiving, long[] finishedSending, long[] finishedJobs) {

    /** Nothing happened. */
    public static final TransferReport NONE = new TransferReport(new int[0], new long[0], new long[0], new long[0]);

    public boolean isEmpty() {
        return invalidBlocks.length + finishedReceiving.length + finishedSending.length + finishedJobs.length == 0;
    }
}
