package dev.sluice.sampling;

/**
 * A random stream without state: draw number i of a seed is a function of (seed, i). So a request draws the same numbers
 * whatever it was batched with, and after a preemption it goes on where it was.
 */
final class SeededRandom {

    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private SeededRandom() {}

    /** A number in [0, 1) with 53 random bits: two rounds of the SplitMix64 finaliser (Steele, Lea, Flood). */
    static double uniform(long seed, long index) {
        return (mix(mix(seed + GOLDEN_GAMMA) + GOLDEN_GAMMA * (index + 1)) >>> 11) * 0x1p-53;
    }

    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
