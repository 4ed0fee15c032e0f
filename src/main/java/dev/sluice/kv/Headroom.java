package dev.sluice.kv;

/**
 * What must be free, beyond the blocks a sequence is about to take, for it to get them.
 *
 * @param fullSequenceTokens the whole sequence must fit too, although only a part is allocated now; 0 asks nothing
 * @param watermarkBlocks blocks that stay free
 * @param reservedBlocks blocks that others, already admitted, still need
 */
public record Headroom(int fullSequenceTokens, int watermarkBlocks, int reservedBlocks) {

    /** Nothing beyond the blocks themselves: for sequences that run already. */
    public static final Headroom NONE = new Headroom(0, 0, 0);
}
