package dev.sluice.offload;

/**
 * What a connector can load for a request, beyond what the device holds.
 *
 * @param tokens a multiple of the block size; or, of an asynchronous load, all there are, with a last block that is not full
 * @param storageTokens of these, the ones that come from a tier behind host memory
 * @param askAgain there is no answer yet: the request is asked for again in the next step
 */
public record ExternalMatch(int tokens, int storageTokens, boolean askAgain) {

    /** Nothing can be loaded. */
    public static final ExternalMatch NONE = new ExternalMatch(0, 0);

    /** No answer yet. */
    public static final ExternalMatch ASK_AGAIN = new ExternalMatch(0, 0, true);

    public ExternalMatch(int tokens, int storageTokens) {
        this(tokens, storageTokens, false);
    }
}
