package dev.sluice.runtime;

/** The time, as every room sees it. Injected, so that a simulation can turn it by hand. */
public interface Clock {

    /** Monotonic nanoseconds of unspecified origin: for intervals and deadlines. Never goes back. */
    long monotonicNanos();

    /** Milliseconds since the Unix epoch: for what people read ({@code created}, logs). May jump. */
    long wallMillis();
}
