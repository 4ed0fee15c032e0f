package dev.sluice.offload.host;

/**
 * What the host tier keeps, and how.
 *
 * @param blocksPerChunk consecutive blocks that are stored, loaded and evicted as one
 * @param eviction which chunk goes when room is needed
 * @param storeThreshold a chunk is stored once so many requests have asked for it; 0 and 1 store at once
 * @param trackerSize keys whose requests are counted for the threshold
 * @param promptOnly store what prompts computed, not what was generated
 * @param asynchronous load beside the steps; false makes the step that admits a request wait for its load
 */
public record OffloadSettings(
        int blocksPerChunk,
        Eviction eviction,
        int storeThreshold,
        int trackerSize,
        boolean promptOnly,
        boolean asynchronous) {

    /** Which chunk goes when room is needed. */
    public enum Eviction {
        /** The one that was not used for the longest time. */
        LRU,
        /** Adaptive replacement: weighs recent against repeated use, and learns which one pays. */
        ARC
    }

    /** @throws IllegalArgumentException naming the setting and its rule */
    public OffloadSettings {
        require(blocksPerChunk >= 1, "blocks-per-chunk must be at least 1, was " + blocksPerChunk);
        require(storeThreshold >= 0, "store-threshold must not be negative, was " + storeThreshold);
        require(trackerSize >= 1, "tracker-size must be at least 1, was " + trackerSize);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }

    /** vLLM's defaults. */
    public static OffloadSettings defaults() {
        return new OffloadSettings(1, Eviction.LRU, 0, 64_000, true, true);
    }
}
