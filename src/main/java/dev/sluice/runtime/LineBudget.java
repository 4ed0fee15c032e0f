package dev.sluice.runtime;

import java.time.Duration;

/**
 * So many lines of a log per interval: whoever makes the server say something, can make it say no more than that. What is
 * suppressed is counted, and told with the next line. Safe for any thread.
 */
public final class LineBudget {

    private final Clock clock;
    private final int linesMax;
    private final long intervalNanos;
    private long startNanos;
    private int lines;
    private long suppressed;

    public LineBudget(Clock clock, int linesMax, Duration interval) {
        this.clock = clock;
        this.linesMax = linesMax;
        intervalNanos = interval.toNanos();
        startNanos = clock.monotonicNanos();
    }

    /** Asks for one line: how many were suppressed since the one before, or -1 if this one is suppressed too. */
    public synchronized long take() {
        long now = clock.monotonicNanos();
        if (now - startNanos >= intervalNanos) {
            startNanos = now;
            lines = 0;
        }
        if (lines >= linesMax) {
            suppressed++;
            return -1;
        }
        lines++;
        long before = suppressed;
        suppressed = 0;
        return before;
    }
}
