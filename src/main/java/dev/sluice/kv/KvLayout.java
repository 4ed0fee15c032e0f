package dev.sluice.kv;

/**
 * The shape of the paged cache.
 *
 * @param blockCount number of blocks, the null block 0 included
 * @param blockSize tokens per block
 */
public record KvLayout(int blockCount, int blockSize) {

    /** The block that is never allocated: entry of unused block-table slots. */
    public static final int NULL_BLOCK = 0;

    /** @throws IllegalArgumentException if no block is usable */
    public KvLayout {
        if (blockCount < 2) {
            throw new IllegalArgumentException("kv block count must be at least 2, was " + blockCount);
        }
        if (blockSize < 1) {
            throw new IllegalArgumentException("kv block size must be at least 1, was " + blockSize);
        }
    }

    /** Blocks that requests can hold. */
    public int usableBlocks() {
        return blockCount - 1;
    }

    /** Blocks needed for {@code tokens} tokens. */
    public int blocksFor(int tokens) {
        return (tokens + blockSize - 1) / blockSize;
    }
}
