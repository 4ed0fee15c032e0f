package dev.sluice.request;

/**
 * Where the tokens of one prompt came from: one atomic record, taken once with the first output.
 *
 * <p>All numbers stem from a single cache lookup, and nothing is derived by subtracting values of different lookups:
 * that is what once let vLLM's counters go negative.
 *
 * @param promptTokens prompt length in tokens
 * @param localTokens tokens found in the device's prefix cache
 * @param externalTokens tokens promised by the connector beyond the local ones
 * @param storageTokens of these, the ones that had to come from a tier behind host memory
 */
public record PrefillRecord(int promptTokens, int localTokens, int externalTokens, int storageTokens) {

    /** Without a tier behind host memory. */
    public PrefillRecord(int promptTokens, int localTokens, int externalTokens) {
        this(promptTokens, localTokens, externalTokens, 0);
    }

    /** @throws IllegalArgumentException if a count is negative or the cached tokens exceed the prompt */
    public PrefillRecord {
        if (localTokens < 0 || externalTokens < 0 || (long) localTokens + externalTokens > promptTokens) {
            throw new IllegalArgumentException("prefill record out of range: prompt " + promptTokens + ", local "
                    + localTokens + ", external " + externalTokens);
        }
        if (storageTokens < 0 || storageTokens > externalTokens) {
            throw new IllegalArgumentException("prefill record out of range: storage " + storageTokens + " of "
                    + externalTokens + " external tokens");
        }
    }

    /** Tokens not computed: local plus external. */
    public int cachedTokens() {
        return localTokens + externalTokens;
    }

    /** Tokens computed by this engine. */
    public int computedTokens() {
        return promptTokens - localTokens - externalTokens;
    }
}
