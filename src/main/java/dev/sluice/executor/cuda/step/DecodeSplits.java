package dev.sluice.executor.cuda.step;

/** How decode attention is spread over the device: the host's side of {@code VisibleChunks} in {@code attention.cuh}. */
final class DecodeSplits {

    private static final int CHUNK_KEYS = 256;
    private static final int WARPS = 4; // of a block
    private static final int BLOCKS_TOGETHER = 2; // on a multiprocessor
    private static final int DIMS_MIN = 32; // of a part: 128 bytes of each partial result
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
     * True if the warps of a block are to take each chunk together: there are too few chunks to give every warp that the
     * device holds one of its own. The result does not depend on it.
     *
     * @param others blocks along heads and rows
     */
    static boolean isWide(int chunks, int others, int multiprocessors) {
        return (long) chunks * others <= (long) WARPS * BLOCKS_TOGETHER * multiprocessors;
    }

    /** Blocks along the keys where each warp takes a chunk. */
    static int splits(int chunks) {
        return Math.ceilDiv(chunks, WARPS);
    }

    /** Blocks along the keys where each block takes a chunk, and then another: enough to fill the device. */
    static int wideSplits(int chunks, int others, int multiprocessors) {
        return Math.min(chunks, Math.ceilDiv(BLOCKS_TOGETHER * multiprocessors, others));
    }

    /**
     * Parts of a head that are reduced by blocks of their own: one, or more where heads and rows are too few to fill the
     * device. The result does not depend on it.
     */
    static int parts(int headDim, int headsAndRows, int multiprocessors) {
        int filling = Math.ceilDiv(BLOCKS_TOGETHER * multiprocessors, headsAndRows);
        return Integer.highestOneBit(Math.clamp(headDim / DIMS_MIN, 1, filling));
    }
}
