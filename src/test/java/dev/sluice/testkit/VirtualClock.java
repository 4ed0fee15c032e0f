package dev.sluice.testkit;

import dev.sluice.runtime.Clock;

/** A clock that moves only when told to. Starts above zero, so that code that confuses zero with "unset" is found. */
public final class VirtualClock implements Clock {

    private long nanos = 1_000_000_000L;
    private long wallMillis = 1_800_000_000_000L;

    @Override
    public long monotonicNanos() {
        return nanos;
    }

    @Override
    public long wallMillis() {
        return wallMillis;
    }

    public void advanceNanos(long delta) {
        nanos += delta;
        wallMillis += delta / 1_000_000;
    }

    /** Moves the wall clock alone, as an administrator or NTP would. */
    public void jumpWall(long millis) {
        wallMillis += millis;
    }
}
