package dev.sluice.kv;

import java.util.Arrays;

/**
 * The rules by which sequences get blocks: prefix lookup, admission gates, allocation, registration and release.
 *
 * <p>Contents are registered when a step is planned, before the keys and values are written: a second sequence with the
 * same prefix can then share the blocks in the same step. The price is that whoever takes back planned work must call
 * {@link #unregisterFrom}; otherwise blocks that were never computed stay findable. Follows vLLM's KV cache manager.
 */
public final class KvCache {

    private final KvLayout layout;
    private final boolean prefixCaching;
    private final BlockPool pool;
    private final int[] writers; // of each registered block: sequences that compute or load it, or did so

    public KvCache(KvLayout layout, boolean prefixCaching) {
        this.layout = layout;
        this.prefixCaching = prefixCaching;
        pool = new BlockPool(layout.blockCount());
        writers = new int[layout.blockCount()];
    }

    public KvLayout layout() {
        return layout;
    }

    public BlockPool pool() {
        return pool;
    }

    /**
     * Finds the longest cached prefix of a sequence, in whole blocks. Changes nothing: it is valid until the next change to
     * the pool. At least one token is left to compute, since logits come from computing.
     */
    public PrefixHit lookup(BlockTable table, int tokenCount) {
        if (!prefixCaching) {
            return PrefixHit.NONE;
        }
        int limit = Math.min((tokenCount - 1) / layout.blockSize(), table.hashed());
        int[] blocks = new int[Math.min(limit, 16)];
        int count = 0;
        while (count < limit) {
            int block = pool.find(table.hash(count));
            if (block == KvLayout.NULL_BLOCK) {
                break;
            }
            if (count == blocks.length) {
                blocks = Arrays.copyOf(blocks, Math.min(limit, count * 2));
            }
            blocks[count++] = block;
        }
        return count == 0 ? PrefixHit.NONE : new PrefixHit(Arrays.copyOf(blocks, count), count * layout.blockSize());
    }

    /**
     * Gives a sequence the blocks for its next tokens: those that a lookup has just found, then fresh ones.
     *
     * @param hit what the lookup found; only for a sequence that holds no blocks
     * @param covered tokens that the blocks must cover afterwards: computed, found, to be loaded and new ones
     * @param knownTokens tokens whose ids are known: contents are registered up to here at most
     * @param headroom what must stay free beyond that
     * @return false if there are too few free blocks; then nothing has changed at all
     */
    public boolean allocate(BlockTable table, PrefixHit hit, int covered, int knownTokens, Headroom headroom) {
        int owned = table.size();
        for (int block : hit.blocks()) {
            owned += pool.references(block) == 0 ? 0 : 1; // a free one is taken from the free blocks all the same
        }
        int available = pool.free() - headroom.watermarkBlocks();
        if (layout.blocksFor(headroom.fullSequenceTokens()) - owned > available) {
            return false;
        }
        if (layout.blocksFor(covered) - owned > available - headroom.reservedBlocks()) {
            return false;
        }
        take(table, hit);
        while (table.size() * layout.blockSize() < covered) {
            table.append(pool.allocate());
        }
        if (prefixCaching) {
            register(table, Math.min(covered, knownTokens));
        }
        return true;
    }

    /** Makes the full blocks among the first {@code tokens} tokens findable. */
    public void register(BlockTable table, int tokens) {
        int from = table.registered();
        int to = Math.min(tokens / layout.blockSize(), table.hashed());
        if (to <= from) {
            return;
        }
        for (int i = from; i < to; i++) {
            int block = table.block(i);
            if (pool.hash(block) == null) { // else another holder of a block computed anew was faster
                pool.register(block, table.hash(i));
                writers[block] = 0;
            }
            writers[block]++;
        }
        table.setRegistered(to);
    }

    /** Registers, if contents are looked up at all, what was computed before all its ids were known. */
    public void registerComputed(BlockTable table, int tokens) {
        if (prefixCaching) {
            register(table, tokens);
        }
    }

    /**
     * This sequence did not write its blocks from the given index on: they become unfindable, but for those that another one
     * writes too, as two do that compute a shared block anew.
     */
    public void unregisterFrom(BlockTable table, int index) {
        for (int i = index; i < table.registered(); i++) {
            if (--writers[table.block(i)] <= 0) {
                pool.unregister(table.block(i));
            }
        }
        disown(table, index);
    }

    /** Makes a sequence's blocks unfindable from the given index on: they do not hold what they should, whoever wrote them. */
    public void invalidateFrom(BlockTable table, int index) {
        for (int i = index; i < table.registered(); i++) {
            pool.unregister(table.block(i));
        }
        disown(table, index);
    }

    /** This sequence no longer says that its blocks from the given index on hold their contents; others may. */
    public void disown(BlockTable table, int index) {
        table.setRegistered(Math.min(table.registered(), index));
    }

    /** Gives all blocks back, the tail first, so that the head of a prefix outlives its tail. */
    public void release(BlockTable table) {
        for (int i = table.size() - 1; i >= 0; i--) {
            pool.release(table.block(i));
        }
        table.clear();
    }

    private void take(BlockTable table, PrefixHit hit) {
        if (hit.tokens() == 0) {
            return;
        }
        if (table.size() != 0) {
            throw new IllegalStateException("a sequence that holds blocks cannot take cached ones");
        }
        for (int block : hit.blocks()) {
            pool.touch(block);
            table.append(block);
        }
        table.setRegistered(hit.blocks().length);
    }
}
