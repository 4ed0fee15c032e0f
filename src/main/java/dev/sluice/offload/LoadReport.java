package dev.sluice.offload;

/**
 * What the scheduler has to act on after copies ended.
 *
 * @param invalidBlocks device blocks whose load failed
 * @param received asynchronous load jobs that have ended, well or not: nothing writes their blocks any more
 * @param abandoned asynchronous load jobs that took too long: their sequences stop waiting, but their blocks stay
 *     untouched until the job turns up in {@code received}
 */
@SuppressWarnings("ArrayRecordComponent") // short-lived message between two rooms
public record LoadReport(int[] invalidBlocks, long[] received, long[] abandoned) {

    /** Nothing happened. */
    public static final LoadReport NONE = new LoadReport(new int[0], new long[0], new long[0]);

    public boolean isEmpty() {
        return invalidBlocks.length + received.length + abandoned.length == 0;
    }
}
