package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import java.util.LinkedHashMap;

/** Counts how many requests asked for a chunk, for the most recently asked keys. */
final class ReuseTracker {

    private final LinkedHashMap<BlockHash, Integer> counts = new LinkedHashMap<>();
    private final int capacity;

    ReuseTracker(int capacity) {
        this.capacity = capacity;
    }

    void count(BlockHash key) {
        int before = requests(key);
        counts.putLast(key, before + 1);
        if (counts.size() > capacity) {
            counts.pollFirstEntry();
        }
    }

    int requests(BlockHash key) {
        return counts.getOrDefault(key, 0);
    }
}
