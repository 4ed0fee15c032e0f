package dev.sluice.kv;

import org.jspecify.annotations.Nullable;

/**
 * All blocks of the device: who holds how many references, which are free, and in which order free ones are reused.
 *
 * <pre>
 *            allocate (front)                        release (tail of a sequence first)
 *   held  <------------------  free list (LRU order)  <------------------  held
 *                                   |  touch (hit: leaves from the middle, keeps its contents)
 *   held  <-------------------------+
 * </pre>
 *
 * A free block keeps its contents and its hash until it is allocated again: being free and being reusable are two
 * things. The free list is intrusive (two arrays), so each operation is O(1) and the order is fully deterministic. Used
 * by the scheduler's thread alone.
 */
public final class BlockPool {

    private final int blockCount;
    private final int[] references;
    private final int[] previous;
    private final int[] next;
    private final int listHead; // sentinel, after the last block
    private final PrefixIndex index;
    private int free;
    private int freeRegistered;

    public BlockPool(int blockCount) {
        this.blockCount = blockCount;
        references = new int[blockCount];
        previous = new int[blockCount + 1];
        next = new int[blockCount + 1];
        listHead = blockCount;
        previous[listHead] = listHead;
        next[listHead] = listHead;
        index = new PrefixIndex(blockCount);
        for (int block = KvLayout.NULL_BLOCK + 1; block < blockCount; block++) {
            appendFree(block);
        }
    }

    /** Blocks that requests can hold: all but the null block. */
    public int usable() {
        return blockCount - 1;
    }

    /** Blocks nobody holds. */
    public int free() {
        return free;
    }

    /** Free blocks whose contents can still be reused. */
    public int freeRegistered() {
        return freeRegistered;
    }

    public int references(int block) {
        return references[block];
    }

    /** The hash a block is registered under, or null. */
    public @Nullable BlockHash hash(int block) {
        return index.hash(block);
    }

    /** Number of blocks with reusable contents, held or free. */
    public int registered() {
        return index.size();
    }

    /** A block with these contents, or {@link KvLayout#NULL_BLOCK}. */
    public int find(BlockHash hash) {
        return index.find(hash);
    }

    /** Takes the least recently used free block; its former contents stop being reusable. */
    public int allocate() {
        int block = next[listHead];
        if (block == listHead) {
            throw new IllegalStateException("no free block");
        }
        unlinkFree(block);
        index.remove(block);
        references[block] = 1;
        return block;
    }

    /** Adds a holder to a block found by its contents. */
    public void touch(int block) {
        if (references[block]++ == 0) {
            unlinkFree(block);
        }
    }

    /** Removes a holder; the last one makes the block free, as the most recently used. */
    public void release(int block) {
        if (references[block] <= 0) {
            throw new IllegalStateException("block " + block + " is released but not held");
        }
        if (--references[block] == 0) {
            appendFree(block);
        }
    }

    /** Makes the contents of a held block findable. */
    void register(int block, BlockHash hash) {
        if (references[block] == 0) {
            throw new IllegalStateException("block " + block + " is registered but not held");
        }
        index.put(block, hash);
    }

    /** Makes the contents of a block unfindable; its holders keep using it. Does nothing if it is not registered. */
    public void unregister(int block) {
        if (index.remove(block) != null && references[block] == 0) {
            freeRegistered--;
        }
    }

    /**
     * Forgets all contents.
     *
     * @param indifferent references per block of holders that do not care what the block holds
     * @return false, with nothing changed, if anybody else holds a block
     */
    public boolean clear(int[] indifferent) {
        for (int block = KvLayout.NULL_BLOCK + 1; block < blockCount; block++) {
            if (references[block] > indifferent[block]) {
                return false;
            }
        }
        index.clear();
        freeRegistered = 0;
        return true;
    }

    /** Free blocks in the order of reuse: a copy, for checks. */
    public int[] freeList() {
        int[] blocks = new int[free];
        int count = 0;
        for (int block = next[listHead]; block != listHead && count < free; block = next[block]) {
            blocks[count++] = block;
        }
        return blocks;
    }

    /**
     * Checks the pool against itself and against the references its users say they hold.
     *
     * @param held references per block, as counted by walking all tables
     * @throws IllegalStateException naming the first block that does not agree
     */
    public void verify(int[] held) {
        int[] list = freeList();
        boolean[] isFree = new boolean[blockCount];
        int registeredFree = 0;
        for (int block : list) {
            check(!isFree[block], block, "is in the free list twice");
            check(previous[next[block]] == block, block, "is linked one way only");
            isFree[block] = true;
            registeredFree += index.hash(block) == null ? 0 : 1;
        }
        check(next[list.length == 0 ? listHead : list[list.length - 1]] == listHead, listHead, "free list too long");
        check(registeredFree == freeRegistered, listHead, "registered free blocks miscounted");
        for (int block = KvLayout.NULL_BLOCK + 1; block < blockCount; block++) {
            check(
                    references[block] == held[block],
                    block,
                    "has references " + references[block] + ", held " + held[block]);
            check(isFree[block] == (references[block] == 0), block, "free and held do not exclude each other");
        }
        check(held[KvLayout.NULL_BLOCK] == 0 && index.hash(KvLayout.NULL_BLOCK) == null, 0, "null block in use");
        index.verify();
    }

    private static void check(boolean condition, int block, String problem) {
        if (!condition) {
            throw new IllegalStateException("block " + block + ": " + problem);
        }
    }

    private void appendFree(int block) {
        int last = previous[listHead];
        previous[block] = last;
        next[block] = listHead;
        next[last] = block;
        previous[listHead] = block;
        free++;
        if (index.hash(block) != null) {
            freeRegistered++;
        }
    }

    private void unlinkFree(int block) {
        next[previous[block]] = next[block];
        previous[next[block]] = previous[block];
        free--;
        if (index.hash(block) != null) {
            freeRegistered--;
        }
    }
}
