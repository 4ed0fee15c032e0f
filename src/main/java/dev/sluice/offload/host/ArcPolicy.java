package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Adaptive replacement (Megiddo and Modha, 2003): one list of chunks seen once, one of chunks seen again, and for each a
 * list of ghosts, the keys it evicted last. Asking for a ghost shows which list was too short and moves the target size
 * of the first.
 *
 * <p>One difference to the textbook: chunks in use cannot be evicted, so when the list that should give has none to give,
 * the other one does.
 */
final class ArcPolicy implements EvictionPolicy {

    private final int capacity;
    private final LinkedHashSet<BlockHash> once = new LinkedHashSet<>();
    private final LinkedHashSet<BlockHash> again = new LinkedHashSet<>();
    private final LinkedHashSet<BlockHash> onceGhosts = new LinkedHashSet<>();
    private final LinkedHashSet<BlockHash> againGhosts = new LinkedHashSet<>();
    private double target;

    ArcPolicy(int capacity) {
        this.capacity = capacity;
    }

    /** Size that the list of chunks seen once should have. */
    double target() {
        return target;
    }

    int ghosts() {
        return Math.max(onceGhosts.size(), againGhosts.size());
    }

    boolean remembersOnce(BlockHash key) {
        return onceGhosts.contains(key);
    }

    @Override
    public void insert(BlockHash key) {
        onceGhosts.remove(key);
        againGhosts.remove(key);
        once.addLast(key);
    }

    @Override
    public void touch(BlockHash key, boolean ready) {
        if (once.contains(key)) {
            if (ready) {
                once.remove(key);
                again.addLast(key);
            } else {
                once.addLast(key);
            }
        } else if (again.contains(key)) {
            again.addLast(key);
        } else if (onceGhosts.contains(key)) {
            double step = Math.max(1, (double) againGhosts.size() / onceGhosts.size());
            target = Math.min(target + step, capacity);
            onceGhosts.addLast(key);
        } else if (againGhosts.contains(key)) {
            double step = Math.max(1, (double) onceGhosts.size() / againGhosts.size());
            target = Math.max(target - step, 0);
            againGhosts.addLast(key);
        }
    }

    @Override
    public void remove(BlockHash key) {
        once.remove(key);
        again.remove(key);
    }

    @Override
    public @Nullable List<BlockHash> victims(int count, Predicate<BlockHash> evictable) {
        List<BlockHash> victims = new ArrayList<>(count);
        Iterator<BlockHash> first = once.iterator();
        Iterator<BlockHash> second = again.iterator();
        int onceSize = once.size();
        while (victims.size() < count) {
            BlockHash victim = onceSize >= (int) target ? next(first, evictable) : null;
            boolean fromOnce = victim != null;
            if (victim == null) {
                victim = next(second, evictable);
            }
            if (victim == null) {
                victim = next(first, evictable);
                fromOnce = true;
            }
            if (victim == null) {
                return null;
            }
            onceSize -= fromOnce ? 1 : 0;
            victims.add(victim);
        }
        return victims;
    }

    private static @Nullable BlockHash next(Iterator<BlockHash> keys, Predicate<BlockHash> evictable) {
        while (keys.hasNext()) {
            BlockHash key = keys.next();
            if (evictable.test(key)) {
                return key;
            }
        }
        return null;
    }

    @Override
    public void evict(List<BlockHash> victims) {
        for (BlockHash key : victims) {
            if (once.remove(key)) {
                onceGhosts.addLast(key);
            } else if (again.remove(key)) {
                againGhosts.addLast(key);
            }
        }
        trim(onceGhosts);
        trim(againGhosts);
    }

    private void trim(SequencedSet<BlockHash> ghosts) {
        while (ghosts.size() > capacity) {
            ghosts.removeFirst();
        }
    }

    @Override
    public void verify(int present) {
        LinkedHashSet<BlockHash> all = new LinkedHashSet<>(once);
        all.addAll(again);
        all.addAll(onceGhosts);
        all.addAll(againGhosts);
        check(all.size() == once.size() + again.size() + onceGhosts.size() + againGhosts.size(), "a key in two lists");
        check(once.size() + again.size() == present, "the lists hold other chunks than are present");
        check(present <= capacity && ghosts() <= capacity, "a list is too long");
        check(target >= 0 && target <= capacity, "the target is out of range");
    }

    private static void check(boolean condition, String problem) {
        if (!condition) {
            throw new IllegalStateException("adaptive replacement: " + problem);
        }
    }
}
