package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Remembers in which order chunks were used, and names those that go first. */
interface EvictionPolicy {

    /** A chunk was taken in. */
    void insert(BlockHash key);

    /**
     * A chunk, present or only remembered, was asked for.
     *
     * @param ready true if it is present and complete
     */
    void touch(BlockHash key, boolean ready);

    /** A chunk is gone for another reason than eviction. */
    void remove(BlockHash key);

    /**
     * Chooses chunks to evict, in their order; changes nothing.
     *
     * @return null if there are not so many
     */
    @Nullable
    List<BlockHash> victims(int count, Predicate<BlockHash> evictable);

    /** The chosen chunks are gone. */
    void evict(List<BlockHash> victims);

    /** @throws IllegalStateException if the order and what is present disagree */
    void verify(int present);
}
