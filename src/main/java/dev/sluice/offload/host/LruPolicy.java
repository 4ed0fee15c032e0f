package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Least recently used goes first. */
final class LruPolicy implements EvictionPolicy {

    private final LinkedHashSet<BlockHash> order = new LinkedHashSet<>();

    @Override
    public void insert(BlockHash key) {
        order.addLast(key);
    }

    @Override
    public void touch(BlockHash key, boolean ready) {
        if (order.contains(key)) {
            order.addLast(key); // moves it
        }
    }

    @Override
    public void remove(BlockHash key) {
        order.remove(key);
    }

    @Override
    public @Nullable List<BlockHash> victims(int count, Predicate<BlockHash> evictable) {
        List<BlockHash> victims = new ArrayList<>(count);
        for (BlockHash key : order) {
            if (victims.size() == count) {
                break;
            }
            if (evictable.test(key)) {
                victims.add(key);
            }
        }
        return victims.size() == count ? victims : null;
    }

    @Override
    public void evict(List<BlockHash> victims) {
        victims.forEach(order::remove);
    }

    @Override
    public void verify(int present) {
        if (order.size() != present) {
            throw new IllegalStateException("LRU order has " + order.size() + " chunks of " + present);
        }
    }
}
