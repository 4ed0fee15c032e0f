package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.offload.GuardedStorage;
import dev.sluice.offload.StorageTier.Lookup;
import dev.sluice.offload.Tier;
import dev.sluice.offload.host.ChunkCache.State;
import dev.sluice.request.TokensByTier;
import dev.sluice.runtime.Clock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds what the tiers beyond the device hold of a request. Only chunks in host memory can be loaded: what only a storage
 * tier has is fetched to host memory first, and until it is there the request is asked for again.
 */
final class PrefixLookup {

    /**
     * What was found of a request beyond the device.
     *
     * @param waits true if some of it is on its way, or may be: then the request is asked for again
     */
    private record Prefix(List<BlockHash> chunks, boolean waits) {}

    private final ChunkGeometry geometry;
    private final int chunkTokens;
    private final ChunkCache cache;
    private final Tier host;
    private final StorageTiers storage;
    private final Clock clock;
    private final boolean asynchronous;
    private final boolean prefixCaching;

    PrefixLookup(
            ChunkGeometry geometry,
            ChunkCache cache,
            Tier host,
            StorageTiers storage,
            Clock clock,
            boolean asynchronous,
            boolean prefixCaching) {
        this.geometry = geometry;
        chunkTokens = geometry.chunkTokens();
        this.cache = cache;
        this.host = host;
        this.storage = storage;
        this.clock = clock;
        this.asynchronous = asynchronous;
        this.prefixCaching = prefixCaching;
    }

    ExternalMatch match(ConnectorRequest request, RequestState state, int localTokens) {
        int first = localTokens / chunkTokens;
        int limit = lookupLimit(request, localTokens);
        if (limit > 0 && !state.counted) {
            for (int chunk = first; chunk < limit; chunk++) {
                cache.countRequest(geometry.key(request, chunk));
            }
            state.counted = true;
            state.askedNanos = clock.monotonicNanos();
        }
        Prefix prefix = find(request, state, first, limit);
        if ((first + prefix.chunks().size()) * chunkTokens - localTokens < chunkTokens) {
            return ExternalMatch.NONE;
        }
        if (prefix.waits()) {
            return ExternalMatch.ASK_AGAIN;
        }
        cache.touch(prefix.chunks());
        Map<String, Integer> tokens = new LinkedHashMap<>();
        int total = prefix.chunks().size() * chunkTokens - localTokens % chunkTokens; // the device may hold a part
        tokens.put(host.name(), total);
        for (int i = 0; i < prefix.chunks().size() && !storage.tiers().isEmpty(); i++) {
            Tier tier = cache.fetchedFrom(prefix.chunks().get(i), request.sequence());
            if (tier != null) {
                int part = chunkTokens - (i == 0 ? localTokens % chunkTokens : 0);
                tokens.merge(tier.name(), part, Integer::sum);
                tokens.merge(host.name(), -part, Integer::sum);
            }
        }
        return new ExternalMatch(new TokensByTier(tokens));
    }

    /** The first chunk that is not looked up; 0 if there is nothing to ask. */
    private int lookupLimit(ConnectorRequest request, int localTokens) {
        int known = request.tokenCount() - (asynchronous ? 0 : 1);
        int limit = known / chunkTokens;
        return limit * chunkTokens - localTokens >= chunkTokens && host.guard().permits() ? limit : 0;
    }

    /** Looks for chunks, up to the first that no tier has; those that only a storage tier has begin to come to host memory. */
    private Prefix find(ConnectorRequest request, RequestState state, int first, int limit) {
        List<BlockHash> chunks = new ArrayList<>();
        boolean waits = false;
        boolean undecided = false;
        for (int chunk = first; chunk < limit; chunk++) {
            BlockHash key = geometry.key(request, chunk);
            State known = cache.lookup(key);
            if (known == State.ABSENT) {
                StorageTiers.Found stored = lookupStorage(state, chunk, key);
                undecided |= stored.lookup() == Lookup.ASK_AGAIN;
                boolean later = undecided && stored.lookup() != Lookup.MISS; // nothing is fetched behind a gap
                if (!later && (undecided || !fetch(request, state, chunk, key, stored.holder(), chunks))) {
                    break;
                }
            }
            waits |= known != State.READY || (prefixCaching && cache.isBeingLoaded(key));
            chunks.add(key);
        }
        return new Prefix(chunks, waits);
    }

    private StorageTiers.Found lookupStorage(RequestState state, int chunk, BlockHash key) {
        if (chunk < state.fetchedTo) {
            return StorageTiers.Found.MISS; // once only, or two requests could fetch each other's chunks out for ever
        }
        return storage.lookup(key, clock.monotonicNanos() - state.askedNanos);
    }

    /** Begins to bring a chunk from a storage tier; false if none has it, or there is no room for it. */
    private boolean fetch(
            ConnectorRequest request,
            RequestState state,
            int chunk,
            BlockHash key,
            @Nullable GuardedStorage holder,
            List<BlockHash> kept) {
        if (holder == null || !cache.prepareFetch(key, kept, request.sequence(), holder.tier())) {
            return false;
        }
        state.fetchedTo = chunk + 1;
        return storage.read(holder, key, geometry.pageKeys(request, chunk), geometry.pages(cache.id(key)));
    }
}
