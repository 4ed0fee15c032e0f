package dev.sluice.executor.cuda.step;

/** How decode attention is spread over the device: the host's side of {@code VisibleChunks} in {@code attention.cuh}. */
public final class DecodeSplits {

    private static final int CHUNK_KEYS = 256;
    private static final int WARPS = 4; // of a block, each with a chunk of its own
    private static final int BLOCKS_TOGETHER = 2; // on a multiprocessor
    private static final long PARTIAL_BYTES_MAX = 256L << 20; // beyond this, rows are taken in turns

    private DecodeSplits() {}

    /** Places for partial results of a row with up to so many positions. */
    public static int chunks(long longest, int window) {
        int all = Math.toIntExact(Math.ceilDiv(longest, CHUNK_KEYS));
        return Math.max(1, window > 0 ? Math.min(all, Math.ceilDiv(window, CHUNK_KEYS) + 2) : all);
    }

    /**
     * Chunks whose partial results there is to be room for: those of all rows, but no more than some memory holds, and at
     * least those of the longest row. Shorter rows may then be more at a time, never more chunks.
     *
     * @param chunksOfLongest row
     * @param bytes of one chunk, all heads
     */
    static int places(int rows, int chunksOfLongest, long bytes) {
        long all = (long) rows * chunksOfLongest;
        return Math.toIntExact(Math.max(chunksOfLongest, Math.min(all, PARTIAL_BYTES_MAX / bytes)));
    }

    /**
     * Blocks along the keys: enough to fill the device, and no fewer than give each warp one chunk. The result does not
     * depend on it.
     *
     * @param others blocks along heads and rows
     */
    static int splits(int chunks, int others, int multiprocessors) {
        int filling = Math.ceilDiv(BLOCKS_TOGETHER * multiprocessors, others);
        return Math.clamp(filling, Math.ceilDiv(chunks, WARPS), chunks);
    }
}
