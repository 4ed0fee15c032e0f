package dev.sluice.kv;

/**
 * The longest prefix of a sequence that the device holds: what a lookup found, to be handed to the allocation after it.
 *
 * @param blocks the blocks that hold it, whole ones only
 * @param tokens how many tokens that is
 */
@SuppressWarnings("ArrayRecordComponent") // short-lived value between lookup and allocation
public record PrefixHit(int[] blocks, int tokens) {

    /** Nothing was found, or nothing was looked for. */
    public static final PrefixHit NONE = new PrefixHit(new int[0], 0);
}
