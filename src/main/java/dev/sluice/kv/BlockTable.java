package dev.sluice.kv;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One sequence's blocks, in order of position, and the hashes of its full blocks.
 *
 * <pre>
 *   tokens     [ block 0 ][ block 1 ][ block 2 ][ blo          known ids
 *   hashes       h0         h1         h2                      full blocks of known ids: grows with the tokens
 *   blocks       b7         b3         b9         b1           held blocks: grows by allocation
 *   registered   ^---------------------^                       leading blocks that the pool can find by content
 * </pre>
 */
public final class BlockTable {

    private static final int INITIAL_BLOCKS = 8;

    private final byte @Nullable [] salt;
    private int[] blocks = new int[INITIAL_BLOCKS];
    private int size;
    private int registered;
    private @Nullable BlockHash[] hashes = new BlockHash[INITIAL_BLOCKS];
    private int hashed;

    /** @param salt separates this sequence's contents from those of sequences with another salt; null shares */
    public BlockTable(@Nullable String salt) {
        this.salt = salt == null ? null : salt.getBytes(StandardCharsets.UTF_8);
    }

    /** Hashes the blocks that became full; {@code tokens[0..tokenCount)} must extend what was hashed before. */
    public void extendHashes(BlockHasher hasher, int[] tokens, int tokenCount) {
        int full = tokenCount / hasher.blockSize();
        if (full > hashes.length) {
            hashes = Arrays.copyOf(hashes, Math.max(full, hashes.length * 2));
        }
        while (hashed < full) {
            BlockHash parent = hashed == 0 ? null : hashes[hashed - 1];
            hashes[hashed] = hasher.hash(parent, tokens, hashed * hasher.blockSize(), salt);
            hashed++;
        }
    }

    /** Blocks held. */
    public int size() {
        return size;
    }

    /** The backing array: valid up to {@link #size}, replaced when it grows. */
    public int[] blocks() {
        return blocks;
    }

    public int block(int index) {
        return blocks[index];
    }

    /** Full blocks of known ids. */
    public int hashed() {
        return hashed;
    }

    public BlockHash hash(int index) {
        BlockHash hash = index < hashed ? hashes[index] : null;
        if (hash == null) {
            throw new IndexOutOfBoundsException("block " + index + " of " + hashed + " hashed ones");
        }
        return hash;
    }

    /** Leading blocks that are registered in the pool. */
    public int registered() {
        return registered;
    }

    void append(int block) {
        if (size == blocks.length) {
            blocks = Arrays.copyOf(blocks, size * 2);
        }
        blocks[size++] = block;
    }

    void setRegistered(int count) {
        registered = count;
    }

    void clear() {
        size = 0;
        registered = 0;
    }

    /** Takes the blocks away without giving them back to the pool; whoever takes them answers for them. */
    public int[] surrender() {
        int[] taken = Arrays.copyOf(blocks, size);
        clear();
        return taken;
    }
}
