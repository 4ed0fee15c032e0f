package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.runtime.Clock;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Traffic between the host tier and the storage tier behind it: every stored chunk out, wanted ones back in. */
final class StorageTraffic {

    private record Operation(boolean read, long begunNanos, int generation, boolean overdue) {
        Operation late() {
            return new Operation(read, begunNanos, generation, true);
        }
    }

    private final @Nullable StorageTier tier;
    private final TierGuard guard;
    private final ChunkCache cache;
    private final OffloadListener listener;
    private final Clock clock;
    private final Map<BlockHash, Operation> open = new HashMap<>();

    StorageTraffic(
            @Nullable StorageTier tier, TierGuard guard, ChunkCache cache, OffloadListener listener, Clock clock) {
        this.tier = tier;
        this.guard = guard;
        this.cache = cache;
        this.listener = listener;
        this.clock = clock;
    }

    /** Writes a chunk of the host tier through, unless it is there or the tier is busy or sick. */
    void write(BlockHash key, BlockHash[] pageKeys, int[] pages, int generation) {
        if (tier == null || open.containsKey(key) || tier.contains(key) || !guard.permits()) {
            return;
        }
        cache.pin(key);
        if (tier.write(key, pageKeys, pages)) {
            open.put(key, new Operation(false, clock.monotonicNanos(), generation, false));
        } else {
            cache.unpin(key);
        }
    }

    /** True if a chunk that host memory lacks could be read back. */
    boolean has(BlockHash key) {
        return tier != null && !open.containsKey(key) && tier.contains(key) && guard.permits();
    }

    /**
     * Begins to read a chunk into the place that the host tier has made for it.
     *
     * @return false if the tier cannot now; then the place is free again
     */
    boolean read(BlockHash key, BlockHash[] pageKeys, int[] pages, int generation) {
        if (tier != null && tier.read(key, pageKeys, pages)) {
            open.put(key, new Operation(true, clock.monotonicNanos(), generation, false));
            return true;
        }
        cache.completeStore(key, false);
        return false;
    }

    /**
     * Takes in what has ended, and gives up what takes too long.
     *
     * @return true if anything has ended
     */
    boolean poll(int generation) {
        if (tier == null || open.isEmpty()) {
            return false;
        }
        List<StorageTier.Ended> ended = tier.poll();
        for (int i = 0; i < ended.size(); i++) {
            end(ended.get(i), generation);
        }
        giveUpOverdue();
        return !ended.isEmpty();
    }

    private void end(StorageTier.Ended ended, int generation) {
        Operation operation = open.remove(ended.key());
        if (operation == null) {
            return;
        }
        if (operation.read()) {
            boolean current = operation.generation() == generation;
            if (operation.overdue() && current) {
                cache.hideUntilWritten(ended.key(), false);
            }
            cache.completeStore(ended.key(), ended.succeeded() && current);
        } else {
            cache.unpin(ended.key());
        }
        if (!ended.succeeded()) {
            listener.onFailed(Tier.STORAGE, operation.read());
        } else if (operation.read()) {
            listener.onLoaded(Tier.STORAGE, ended.bytes(), ended.nanos());
        } else {
            listener.onStored(Tier.STORAGE, ended.bytes(), ended.nanos());
        }
        if (operation.overdue()) {
            return; // it has counted as failed already
        }
        if (ended.succeeded()) {
            guard.succeeded(ended.nanos());
        } else {
            guard.failed(ended.nanos());
        }
    }

    private void giveUpOverdue() {
        long limit = guard.timeLimitNanos();
        if (limit == Long.MAX_VALUE) {
            return;
        }
        long now = clock.monotonicNanos();
        for (Iterator<Map.Entry<BlockHash, Operation>> i = open.entrySet().iterator(); i.hasNext(); ) {
            Map.Entry<BlockHash, Operation> entry = i.next();
            Operation operation = entry.getValue();
            if (!operation.overdue() && now - operation.begunNanos() > limit) {
                entry.setValue(operation.late());
                if (operation.read()) {
                    cache.hideUntilWritten(entry.getKey(), true);
                }
                guard.failed(now - operation.begunNanos());
            }
        }
    }

    boolean hasPendingWork() {
        return !open.isEmpty();
    }

    int openCount() {
        return open.size();
    }

    long bytesUsed() {
        return tier == null ? 0 : tier.bytesUsed();
    }

    long bytesCapacity() {
        return tier == null ? 0 : tier.bytesCapacity();
    }

    void reset() {
        if (tier != null) {
            tier.reset();
        }
    }

    void close() {
        if (tier != null) {
            tier.close();
        }
    }
}
