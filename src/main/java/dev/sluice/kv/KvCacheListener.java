package dev.sluice.kv;

import org.jspecify.annotations.Nullable;

/** Hears which contents the device's prefix cache holds; the events that cache-aware routers follow. */
public interface KvCacheListener {

    /** Hears nothing. */
    KvCacheListener NONE = new KvCacheListener() {};

    /**
     * Consecutive blocks of one sequence became reusable.
     *
     * @param chain hashes of that sequence's blocks from its start; valid only during the call
     * @param from index of the first new one; its parent is {@code from - 1}
     * @param to index after the last new one
     */
    default void onStored(@Nullable BlockHash[] chain, int from, int to) {}

    /** A block's contents are no longer reusable. */
    default void onRemoved(BlockHash hash) {}

    /** Nothing is reusable any more. */
    default void onCleared() {}
}
