package dev.sluice.executor.cpu;

/**
 * Where the keys and values of up to 256 consecutive positions lie.
 *
 * <p>Tiles start at absolute positions that are multiples of 256, whatever the block size, the chunk or the batch: they
 * are the unit in which attention is summed, so they must depend on nothing but the position.
 */
final class KeyTile {

    /** Keys per tile. */
    static final int KEYS = 256;

    /** Floats before the first score of a row: where the head of a block that began in the tile before may go. */
    static final int LEAD = KvArena.KEY_GROUP;

    /** Floats per row of scores: the same margin again behind the last one. */
    static final int STRIDE = LEAD + KEYS + KvArena.KEY_GROUP;

    private final KvArena arena;
    private final long[] groups = new long[2 * KEYS + 2 * KvArena.KEY_GROUP];
    private final int[] groupAt = new int[groups.length];
    private final long[] values = new long[KEYS];
    private int groupCount;
    private int from;
    private int to;

    KeyTile(KvArena arena) {
        this.arena = arena;
    }

    /** Looks the keys [fromKey, toKey) of the tile that begins at position {@code start} up in the block table. */
    void locate(int[] blocks, int start, int fromKey, int toKey) {
        from = fromKey;
        to = toKey;
        groupCount = 0;
        int blockSize = arena.blockSize();
        long stride = arena.valueStride();
        for (int index = (start + from) / blockSize; index * blockSize < start + to; index++) {
            long offset = arena.block(blocks[index]);
            int first = index * blockSize - start;
            for (int slot = 0; slot < blockSize; slot += KvArena.KEY_GROUP) {
                if (first + slot + KvArena.KEY_GROUP > from && first + slot < to) {
                    groups[groupCount] = offset + (long) slot * Float.BYTES;
                    groupAt[groupCount++] = first + slot;
                }
            }
            int keyFrom = Math.max(first, from);
            int keyTo = Math.min(first + blockSize, to);
            long value = offset + arena.valueOffset(keyFrom - first);
            fill(values, keyFrom, keyTo, value, stride);
        }
    }

    private static void fill(long[] target, int from, int to, long first, long stride) {
        for (int i = from; i < to; i++) {
            target[i] = first + (i - from) * stride; // no sum that is carried along: iterations are independent
        }
    }

    /** First key to visit, relative to the tile. */
    int from() {
        return from;
    }

    /** The key after the last one. */
    int to() {
        return to;
    }

    /** Runs of 16 stored keys, not all of which need be valid. */
    int groupCount() {
        return groupCount;
    }

    /** Offset of the first element of a group's keys; the next element is {@link #keyStride} further. */
    long group(int index) {
        return groups[index];
    }

    /** Key number, relative to the tile, of a group's first key; may be negative. */
    int groupAt(int index) {
        return groupAt[index];
    }

    /** Offsets of the values, by key. */
    long[] values() {
        return values;
    }

    int keyStride() {
        return arena.keyStride();
    }
}
