package dev.sluice.offload;

import java.util.ArrayList;
import java.util.List;

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

    /** Collects what is to be reported next. */
    public static final class Builder {

        private final List<Integer> invalidBlocks = new ArrayList<>();
        private final List<Long> received = new ArrayList<>();
        private final List<Long> abandoned = new ArrayList<>();

        public void invalidate(int block) {
            invalidBlocks.add(block);
        }

        public void receive(long job) {
            received.add(job);
        }

        public void abandon(long job) {
            abandoned.add(job);
        }

        public boolean isEmpty() {
            return invalidBlocks.isEmpty() && received.isEmpty() && abandoned.isEmpty();
        }

        /** All that was collected; nothing is left. */
        public LoadReport take() {
            if (isEmpty()) {
                return NONE;
            }
            LoadReport report = new LoadReport(
                    invalidBlocks.stream().mapToInt(Integer::intValue).toArray(), longs(received), longs(abandoned));
            invalidBlocks.clear();
            received.clear();
            abandoned.clear();
            return report;
        }

        private static long[] longs(List<Long> list) {
            return list.stream().mapToLong(Long::longValue).toArray();
        }
    }
}
