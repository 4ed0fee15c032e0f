package dev.sluice.request;

/**
 * Where the tokens of one prompt came from: one atomic record, taken once with the first output.
 *
 * <p>All numbers stem from a single cache lookup, and nothing is derived by subtracting values of different lookups:
 * that is what once let vLLM's counters go negative.
 *
 * @param promptTokens prompt length in tokens
 * @param found tokens not computed: those in the device's prefix cache, and those that the connector loads beyond them
 */
public record PrefillRecord(int promptTokens, TokensByTier found) {

    /** With host memory as the only tier beyond the device. */
    public PrefillRecord(int promptTokens, int localTokens, int externalTokens) {
        this(promptTokens, localTokens, TokensByTier.of(TokensByTier.HOST, externalTokens));
    }

    /**
     * @param localTokens tokens found in the device's prefix cache
     * @param external tokens that the connector loads beyond the local ones
     */
    public PrefillRecord(int promptTokens, int localTokens, TokensByTier external) {
        this(promptTokens, TokensByTier.of(TokensByTier.DEVICE, localTokens).plus(external));
    }

    /** @throws IllegalArgumentException if the cached tokens exceed the prompt */
    public PrefillRecord {
        if (found.total() > promptTokens) {
            throw new IllegalArgumentException(
                    "prefill record out of range: prompt " + promptTokens + ", found " + found.tokens());
        }
    }

    /** Tokens found in the device's prefix cache. */
    public int localTokens() {
        return found.of(TokensByTier.DEVICE);
    }

    /** Tokens that the connector brings from the tiers beyond the device. */
    public int externalTokens() {
        return cachedTokens() - localTokens();
    }

    /** Tokens not computed: local plus external. */
    public int cachedTokens() {
        return found.total();
    }

    /** Tokens computed by this engine. */
    public int computedTokens() {
        return promptTokens - cachedTokens();
    }
}
