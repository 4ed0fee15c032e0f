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
    private final KvCacheListener listener;
    private final BlockPool pool;
    private int[] hits = new int[64];
    private int hitCount;

    public KvCache(KvLayout layout, boolean prefixCaching, KvCacheListener listener) {
        this.layout = layout;
        this.prefixCaching = prefixCaching;
        this.listener = listener;
        pool = new BlockPool(layout.blockCount(), listener);
    }

    public KvLayout layout() {
        return layout;
    }

    public BlockPool pool() {
        return pool;
    }

    /**
     * Finds the longest cached prefix of a sequence, in whole blocks, and remembers it for the {@link #allocate} call
     * that follows. Changes nothing else. At least one token is left to compute, since logits come from computing.
     *
     * @return tokens found
     */
    public int lookup(BlockTable table, int tokenCount) {
        hitCount = 0;
        if (!prefixCaching) {
            return 0;
        }
        int limit = Math.min((tokenCount - 1) / layout.blockSize(), table.hashed());
        while (hitCount < limit) {
            int block = pool.find(table.hash(hitCount));
            if (block == KvLayout.NULL_BLOCK) {
                break;
            }
            if (hitCount == hits.length) {
                hits = Arrays.copyOf(hits, hitCount * 2);
            }
            hits[hitCount++] = block;
        }
        return hitCount * layout.blockSize();
    }

    /** Forgets the last lookup: the next {@link #allocate} starts from what the table holds. */
    public void skipLookup() {
        hitCount = 0;
    }

    /**
     * Gives a sequence the blocks for its next tokens: the blocks of the last lookup, then fresh ones.
     *
     * @param covered tokens that the blocks must cover afterwards: computed, found, to be loaded and new ones
     * @param knownTokens tokens whose ids are known: contents are registered up to here at most
     * @param headroom what must stay free beyond that
     * @return false if there are too few free blocks; then nothing has changed at all
     */
    public boolean allocate(BlockTable table, int covered, int knownTokens, Headroom headroom) {
        int evictable = 0;
        for (int i = 0; i < hitCount; i++) {
            if (pool.references(hits[i]) == 0) {
                evictable++;
            }
        }
        int owned = table.size() + hitCount - evictable;
        int available = pool.free() - headroom.watermarkBlocks();
        if (layout.blocksFor(headroom.fullSequenceTokens()) - owned > available) {
            return false;
        }
        if (layout.blocksFor(covered) - owned > available - headroom.reservedBlocks()) {
            return false;
        }
        takeHits(table);
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
            if (pool.hash(table.block(i)) == null) { // else another holder of a block computed anew was faster
                pool.register(table.block(i), table.hash(i));
            }
        }
        table.setRegistered(to);
        listener.onStored(table.chain(), from, to);
    }

    /** Registers, if contents are looked up at all, what was computed before all its ids were known. */
    public void registerComputed(BlockTable table, int tokens) {
        if (prefixCaching) {
            register(table, tokens);
        }
    }

    /** Makes a sequence's blocks unfindable from the given index on: their contents were never written. */
    public void unregisterFrom(BlockTable table, int index) {
        for (int i = index; i < table.registered(); i++) {
            pool.unregister(table.block(i));
        }
        table.setRegistered(Math.min(table.registered(), index));
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

    private void takeHits(BlockTable table) {
        if (hitCount == 0) {
            return;
        }
        if (table.size() != 0) {
            throw new IllegalStateException("a sequence that holds blocks cannot take cached ones");
        }
        for (int i = 0; i < hitCount; i++) {
            pool.touch(hits[i]);
            table.append(hits[i]);
        }
        table.setRegistered(hitCount);
        hitCount = 0;
    }
}
