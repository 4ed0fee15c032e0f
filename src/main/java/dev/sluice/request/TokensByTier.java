package dev.sluice.request;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Prompt tokens that were found and not computed, by the name of the tier that held them. A tier that held none is left
 * out, so that what is equal does not depend on which tiers there are.
 */
public record TokensByTier(Map<String, Integer> tokens) {

    /** The name of the tier that computes: its prefix cache. */
    public static final String DEVICE = "device";

    /** The name of host memory, the first tier beyond the device. */
    public static final String HOST = "host";

    /** Nothing was found. */
    public static final TokensByTier NONE = new TokensByTier(Map.of());

    /**
     * @throws IllegalArgumentException if a count is negative
     * @throws ArithmeticException if the sum is no number of tokens
     */
    public TokensByTier {
        Map<String, Integer> found = new LinkedHashMap<>();
        tokens.forEach((tier, count) -> {
            if (count < 0) {
                throw new IllegalArgumentException("tokens of a tier must not be negative: " + tier + " " + count);
            }
            if (count > 0) {
                found.put(tier, count);
            }
        });
        tokens = Collections.unmodifiableMap(found);
        sum(tokens);
    }

    public static TokensByTier of(String tier, int count) {
        return count == 0 ? NONE : new TokensByTier(Map.of(tier, count));
    }

    public int of(String tier) {
        return tokens.getOrDefault(tier, 0);
    }

    public int total() {
        return sum(tokens);
    }

    private static int sum(Map<String, Integer> tokens) {
        int total = 0;
        for (int count : tokens.values()) {
            total = Math.addExact(total, count);
        }
        return total;
    }

    public TokensByTier plus(TokensByTier other) {
        if (other.tokens.isEmpty() || tokens.isEmpty()) {
            return tokens.isEmpty() ? other : this;
        }
        Map<String, Integer> sum = new LinkedHashMap<>(tokens);
        other.tokens.forEach((tier, count) -> sum.merge(tier, count, Math::addExact));
        return new TokensByTier(sum);
    }
}
