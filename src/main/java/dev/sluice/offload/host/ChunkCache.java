package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.Tier;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The index of the host tier: which chunk lies where, who uses it, and who has to go. Moves no byte itself. Follows vLLM's
 * CPU cache manager.
 *
 * <pre>
 *   absent --prepareStore--> being written --completeStore--> ready <==pin / unpin==> pinned
 *     ^                           |                            |                        |
 *     +--------- failed ----------+        evicted, dropped ---+     dropped, later ----+
 * </pre>
 */
final class ChunkCache {

    /** What a lookup says. */
    enum State {
        ABSENT,
        BEING_WRITTEN,
        READY
    }

    private static final int BEING_WRITTEN = -1;

    private static final class Chunk {
        private final int id;
        private int pins = BEING_WRITTEN;
        private int loads;
        private long fetchedFor; // the request that had it brought from a slower tier
        private @Nullable Tier fetchedFrom;
        private boolean hidden; // dropped while in use, or overdue: nobody new may have it

        Chunk(int id) {
            this.id = id;
        }
    }

    private final int capacity;
    private final EvictionPolicy policy;
    private final int storeThreshold;
    private final ReuseTracker tracker;
    private final Map<BlockHash, Chunk> chunks = new HashMap<>();
    private final List<Integer> freeIds = new ArrayList<>();
    private int freshIds;
    private int pinned;
    private int skipped;

    ChunkCache(int capacity, EvictionPolicy policy, int storeThreshold, int trackerSize) {
        this.capacity = capacity;
        this.policy = policy;
        this.storeThreshold = storeThreshold;
        tracker = new ReuseTracker(trackerSize);
    }

    static ChunkCache of(int capacity, OffloadSettings settings) {
        EvictionPolicy policy = switch (settings.eviction()) {
            case LRU -> new LruPolicy();
            case ARC -> new ArcPolicy(capacity);
        };
        return new ChunkCache(capacity, policy, settings.storeThreshold(), settings.trackerSize());
    }

    int capacity() {
        return capacity;
    }

    /** Chunks present, complete or being written. */
    int used() {
        return chunks.size();
    }

    /** Chunks that copies read or write. */
    int pinned() {
        return pinned;
    }

    /** Chunks not stored for lack of requests since the last call. */
    int takeSkipped() {
        int result = skipped;
        skipped = 0;
        return result;
    }

    /** A request has asked for a chunk; once per request. */
    void countRequest(BlockHash key) {
        if (storeThreshold > 1) {
            tracker.count(key);
        }
    }

    State lookup(BlockHash key) {
        Chunk chunk = chunks.get(key);
        if (chunk == null || chunk.hidden) {
            return State.ABSENT;
        }
        return chunk.pins == BEING_WRITTEN ? State.BEING_WRITTEN : State.READY;
    }

    /** True while a load that has not been given up reads the chunk. */
    boolean isBeingLoaded(BlockHash key) {
        Chunk chunk = chunks.get(key);
        return chunk != null && chunk.loads > 0;
    }

    /** Marks chunks as used, in reverse, so that the head of a prefix ends as the most recent. */
    void touch(List<BlockHash> keys) {
        for (int i = keys.size() - 1; i >= 0; i--) {
            policy.touch(keys.get(i), lookup(keys.get(i)) == State.READY);
        }
    }

    /** Keeps a ready chunk where it is; returns its id. */
    int pin(BlockHash key) {
        Chunk chunk = chunk(key);
        if (chunk.pins == BEING_WRITTEN) {
            throw new IllegalStateException("a chunk that is being written cannot be read");
        }
        pinned += chunk.pins++ == 0 ? 1 : 0;
        return chunk.id;
    }

    void unpin(BlockHash key) {
        Chunk chunk = chunk(key);
        if (chunk.pins <= 0) {
            throw new IllegalStateException("a chunk is unpinned that is not pinned");
        }
        if (--chunk.pins == 0) {
            pinned--;
            if (chunk.hidden) {
                remove(key, chunk);
            }
        }
    }

    /** As {@link #pin} for a load; others may wait for it. */
    int beginLoad(BlockHash key) {
        int id = pin(key);
        chunk(key).loads++;
        return id;
    }

    /** The load is over, or nobody shall wait for it any longer; the pin stays. */
    void endLoad(BlockHash key) {
        chunk(key).loads--;
    }

    /**
     * Makes room for chunks that are not present, evicting others if need be.
     *
     * @return those of the keys that are to be written now, in order; null if there is no room for all of them, and then
     *     nothing has changed
     */
    @Nullable
    List<BlockHash> prepareStore(List<BlockHash> keys) {
        List<BlockHash> missing = new ArrayList<>(keys.size());
        int tooRare = 0;
        for (BlockHash key : keys) {
            if (chunks.containsKey(key)) {
                continue;
            }
            if (storeThreshold > 1 && tracker.requests(key) < storeThreshold) {
                tooRare++;
            } else {
                missing.add(key);
            }
        }
        if (!takeIn(missing, new HashSet<>(keys))) {
            return null;
        }
        skipped += tooRare;
        return missing;
    }

    /**
     * Makes room for one chunk that comes from a slower tier, however rarely it was asked for.
     *
     * @param kept chunks that must not go for it
     * @return false if there is no room, or the chunk has a place already
     */
    boolean prepareFetch(BlockHash key, List<BlockHash> kept, long request, Tier from) {
        if (chunks.containsKey(key) || !takeIn(List.of(key), new HashSet<>(kept))) {
            return false;
        }
        chunk(key).fetchedFor = request;
        chunk(key).fetchedFrom = from;
        return true;
    }

    /** The slower tier that the chunk was brought from for this very request; null if it was there. */
    @Nullable
    Tier fetchedFrom(BlockHash key, long request) {
        Chunk chunk = chunk(key);
        return chunk.fetchedFor == request ? chunk.fetchedFrom : null;
    }

    private boolean takeIn(List<BlockHash> missing, Set<BlockHash> kept) {
        int room = capacity - chunks.size();
        if (missing.size() > room && !evict(missing.size() - room, kept)) {
            return false;
        }
        for (BlockHash key : missing) {
            int id = freshIds < capacity ? freshIds++ : freeIds.removeLast();
            chunks.put(key, new Chunk(id));
            policy.insert(key);
            pinned++;
        }
        return true;
    }

    private boolean evict(int count, Set<BlockHash> kept) {
        List<BlockHash> victims = policy.victims(count, key -> chunk(key).pins == 0 && !kept.contains(key));
        if (victims == null) {
            return false;
        }
        policy.evict(victims);
        for (BlockHash key : victims) {
            Chunk chunk = chunks.remove(key);
            if (chunk != null) {
                freeIds.addLast(chunk.id);
            }
        }
        return true;
    }

    /** The place of a chunk that {@link #prepareStore} has made room for. */
    int id(BlockHash key) {
        return chunk(key).id;
    }

    /** A chunk has been written, or could not be; one that is complete already stays. */
    void completeStore(BlockHash key, boolean success) {
        Chunk chunk = chunks.get(key);
        if (chunk == null || chunk.pins != BEING_WRITTEN) {
            return;
        }
        chunk.pins = 0;
        pinned--;
        if (!success || chunk.hidden) {
            remove(key, chunk);
        }
    }

    /** Nobody waits for, or gets, this chunk any more; it goes as soon as no copy uses it. */
    void drop(BlockHash key) {
        Chunk chunk = chunks.get(key);
        if (chunk == null) {
            return;
        }
        if (chunk.pins == 0) {
            remove(key, chunk);
        } else {
            chunk.hidden = true;
        }
    }

    /** A chunk that takes too long to be written: as if it were absent until it is complete after all. */
    void hideUntilWritten(BlockHash key, boolean hidden) {
        Chunk chunk = chunks.get(key);
        if (chunk != null && chunk.pins == BEING_WRITTEN) {
            chunk.hidden = hidden;
        }
    }

    /** Drops everything. */
    void clear() {
        for (BlockHash key : List.copyOf(chunks.keySet())) {
            drop(key);
        }
    }

    private void remove(BlockHash key, Chunk chunk) {
        chunks.remove(key);
        policy.remove(key);
        freeIds.addLast(chunk.id);
    }

    private Chunk chunk(BlockHash key) {
        Chunk chunk = chunks.get(key);
        if (chunk == null) {
            throw new IllegalStateException("a chunk is used that is not present");
        }
        return chunk;
    }

    /** @throws IllegalStateException saying what does not balance */
    void verify() {
        check(chunks.size() + freeIds.size() + capacity - freshIds == capacity, "present and free are not all");
        Set<Integer> ids = new HashSet<>(freeIds);
        int inUse = 0;
        for (Chunk chunk : chunks.values()) {
            check(ids.add(chunk.id), "one place for two chunks");
            check(chunk.pins >= BEING_WRITTEN && chunk.loads >= 0 && chunk.loads <= Math.max(0, chunk.pins), "pins");
            inUse += chunk.pins == 0 ? 0 : 1;
        }
        check(ids.size() == chunks.size() + freeIds.size(), "a free place twice");
        check(inUse == pinned, "pinned chunks miscounted");
        policy.verify(chunks.size());
    }

    private static void check(boolean condition, String problem) {
        if (!condition) {
            throw new IllegalStateException("host tier: " + problem);
        }
    }
}
