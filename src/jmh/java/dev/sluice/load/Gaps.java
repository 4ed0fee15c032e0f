package dev.sluice.load;

import java.util.concurrent.atomic.AtomicLongArray;

/** A histogram of times from many threads, with buckets of a twentieth more each: 1 microsecond to an hour. */
final class Gaps {

    private static final double GROWTH = 1.05;
    private static final int BUCKETS = 460;

    private final AtomicLongArray counts = new AtomicLongArray(BUCKETS);

    void add(long nanos) {
        double micros = Math.max(1, nanos / 1e3);
        counts.incrementAndGet(Math.min(BUCKETS - 1, (int) (Math.log(micros) / Math.log(GROWTH))));
    }

    long count() {
        long sum = 0;
        for (int i = 0; i < BUCKETS; i++) {
            sum += counts.get(i);
        }
        return sum;
    }

    /** In milliseconds; 0 if there are none. */
    double percentile(double share) {
        long before = (long) Math.ceil(share * count());
        for (int i = 0; i < BUCKETS && before > 0; i++) {
            before -= counts.get(i);
            if (before <= 0) {
                return Math.pow(GROWTH, i + 1) / 1e3;
            }
        }
        return 0;
    }
}
