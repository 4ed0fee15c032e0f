package dev.sluice.kv;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The map from contents to blocks: which block holds the keys and values of which prefix.
 *
 * <p>An open-addressing table of block ids, probed linearly, with the hashes beside it in an array by block. Blocks with
 * equal hashes are chained behind the one registered first, which is the one that lookups return; duplicates are not
 * merged, because their holders already point at them. Sized once: no block has two hashes, so the table is at most
 * half full and never grows.
 */
final class PrefixIndex {

    private static final int EMPTY = 0; // the null block is never registered

    private final @Nullable BlockHash[] hashOf;
    private final int[] nextEqual;
    private final int[] table;
    private final int mask;
    private int size;

    PrefixIndex(int blockCount) {
        hashOf = new BlockHash[blockCount];
        nextEqual = new int[blockCount];
        int capacity = Integer.highestOneBit(Math.max(8, blockCount) * 2 - 1) * 2;
        table = new int[capacity];
        mask = capacity - 1;
    }

    /** The first registered block with these contents, or {@link KvLayout#NULL_BLOCK}. */
    int find(BlockHash hash) {
        return table[slotOf(hash)];
    }

    /** The hash under which a block is registered, or null. */
    @Nullable
    BlockHash hash(int block) {
        return hashOf[block];
    }

    /** Number of registered blocks. */
    int size() {
        return size;
    }

    /** Registers a block that has no hash. */
    void put(int block, BlockHash hash) {
        if (hashOf[block] != null) {
            throw new IllegalStateException("block " + block + " is already registered");
        }
        hashOf[block] = hash;
        nextEqual[block] = EMPTY;
        size++;
        int slot = slotOf(hash);
        int head = table[slot];
        if (head == EMPTY) {
            table[slot] = block;
            return;
        }
        while (nextEqual[head] != EMPTY) {
            head = nextEqual[head];
        }
        nextEqual[head] = block;
    }

    /** Forgets a block; returns the hash it had, or null. */
    @Nullable
    BlockHash remove(int block) {
        BlockHash hash = hashOf[block];
        if (hash == null) {
            return null;
        }
        int slot = slotOf(hash);
        hashOf[block] = null;
        size--;
        int head = table[slot];
        if (head != block) {
            while (nextEqual[head] != block) {
                head = nextEqual[head];
            }
            nextEqual[head] = nextEqual[block];
        } else if (nextEqual[block] != EMPTY) {
            table[slot] = nextEqual[block];
        } else {
            closeGap(slot);
        }
        nextEqual[block] = EMPTY;
        return hash;
    }

    void clear() {
        Arrays.fill(hashOf, null);
        Arrays.fill(table, EMPTY);
        size = 0;
    }

    /** Checks that table and hashes agree in both directions. */
    void verify() {
        int reachable = 0;
        for (int slot = 0; slot < table.length; slot++) {
            if (table[slot] == EMPTY) {
                continue;
            }
            BlockHash hash = headHash(slot);
            if (slotOf(hash) != slot) {
                throw new IllegalStateException("slot " + slot + " of the prefix index cannot be found by its hash");
            }
            for (int block = table[slot]; block != EMPTY; block = nextEqual[block]) {
                if (!hash.equals(hashOf[block])) {
                    throw new IllegalStateException("block " + block + " is indexed under a foreign hash");
                }
                reachable++;
            }
        }
        if (reachable != size) {
            throw new IllegalStateException("prefix index reaches " + reachable + " blocks of " + size);
        }
    }

    /** The slot that holds the hash, or the empty slot where it would go. */
    private int slotOf(BlockHash hash) {
        int slot = hash.hashCode() & mask;
        while (table[slot] != EMPTY && !hash.equals(headHash(slot))) {
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    /** Backward-shift deletion (Knuth, algorithm 6.4R): entries after the gap move up, so probes need no tombstones. */
    private void closeGap(int gap) {
        int slot = gap;
        while (true) {
            slot = (slot + 1) & mask;
            if (table[slot] == EMPTY) {
                table[gap] = EMPTY;
                return;
            }
            int home = headHash(slot).hashCode() & mask;
            boolean homeBetween = ((slot - home) & mask) < ((slot - gap) & mask);
            if (!homeBetween) {
                table[gap] = table[slot];
                gap = slot;
            }
        }
    }

    private BlockHash headHash(int slot) {
        BlockHash hash = hashOf[table[slot]];
        if (hash == null) {
            throw new IllegalStateException("block " + table[slot] + " is indexed without a hash");
        }
        return hash;
    }
}
