package dev.sluice.offload;

import dev.sluice.request.TokensByTier;

/**
 * What a connector can load for a request, beyond what the device holds.
 *
 * @param byTier where it comes from; in all a multiple of the block size, or, of an asynchronous load, all tokens there are,
 *     with a last block that is not full
 * @param askAgain there is no answer yet: the request is asked for again in the next step
 */
public record ExternalMatch(TokensByTier byTier, boolean askAgain) {

    /** Nothing can be loaded. */
    public static final ExternalMatch NONE = new ExternalMatch(TokensByTier.NONE, false);

    /** No answer yet. */
    public static final ExternalMatch ASK_AGAIN = new ExternalMatch(TokensByTier.NONE, true);

    /** @throws IllegalArgumentException if a tier is the device, for which no connector answers */
    public ExternalMatch {
        if (byTier.of(TokensByTier.DEVICE) > 0) {
            throw new IllegalArgumentException("a connector cannot load from the device: " + byTier.tokens());
        }
    }

    public ExternalMatch(TokensByTier byTier) {
        this(byTier, false);
    }

    public int tokens() {
        return byTier.total();
    }
}
