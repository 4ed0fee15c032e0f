package dev.sluice.offload.disk;

import dev.sluice.kv.BlockHash;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The index of the disk tier: which chunks there are, in which order they go, how many bytes they take. Does no I/O;
 * belongs to the owner's thread.
 *
 * <pre>
 *   begin --> kept (being written) --written--> kept (usable) --evict, damage, reset--> leaving --deleted--> gone
 *                      |                            ^                                     |
 *                      +--lost--> gone              +------- undeleted, not usable -------+
 * </pre>
 *
 * What is leaving waits in {@link #takeDiscarded} until a job takes it to the thread that deletes, before that job writes
 * anything: the room it leaves can be given away at once. A key comes back only after its file is gone.
 */
final class DiskIndex {

    private final long maxBytes;
    private final LinkedHashMap<BlockHash, DiskEntry> kept = new LinkedHashMap<>();
    private final Map<BlockHash, DiskEntry> leaving = new HashMap<>();
    private final Deque<DiskEntry> foreign = new ArrayDeque<>();
    private List<DiskEntry> discarded = new ArrayList<>();
    private int foreignLeaving;
    private long keptBytes;
    private long foreignBytes;

    /** @param maxBytes of all chunks, foreign ones included */
    DiskIndex(long maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** Takes in what was found at start, oldest first. Chunks of other fingerprints are the first to go. */
    void adopt(DiskEntry entry) {
        if (entry.key == null) {
            foreign.addLast(entry);
            foreignBytes += entry.bytes;
        } else {
            keep(entry.key, entry);
        }
    }

    private void keep(BlockHash key, DiskEntry entry) {
        kept.put(key, entry);
        keptBytes += entry.bytes;
    }

    /** True if the key has a file, will have one, or is about to lose one. */
    boolean knows(BlockHash key) {
        return kept.containsKey(key) || leaving.containsKey(key);
    }

    @Nullable
    DiskEntry usable(BlockHash key) {
        DiskEntry entry = kept.get(key);
        return entry != null && entry.usable ? entry : null;
    }

    /** The chunk was of use: it goes last. */
    void touch(BlockHash key) {
        DiskEntry entry = kept.get(key);
        if (entry != null) {
            kept.putLast(key, entry);
        }
    }

    /** Discards the oldest until so many bytes fit, or nothing if even all would not be enough. */
    boolean makeRoom(long bytes) {
        long excess = keptBytes + foreignBytes + bytes - maxBytes;
        if (excess <= 0) {
            return true;
        }
        List<DiskEntry> victims = new ArrayList<>();
        for (DiskEntry entry : foreign) {
            if (excess <= 0) {
                break;
            }
            victims.add(entry);
            excess -= entry.bytes;
        }
        for (DiskEntry entry : kept.values()) {
            if (excess <= 0) {
                break;
            }
            if (entry.evictable()) {
                victims.add(entry);
                excess -= entry.bytes;
            }
        }
        if (excess > 0) {
            return false;
        }
        victims.forEach(this::discard);
        return true;
    }

    /** A chunk shall be written; its bytes count from here. */
    DiskEntry begin(BlockHash key, Path file, long bytes) {
        DiskEntry entry = DiskEntry.begun(key, file, bytes);
        keep(key, entry);
        return entry;
    }

    void written(DiskEntry entry) {
        entry.writing = false;
        entry.usable = true;
    }

    /** A write came to nothing. */
    void lost(DiskEntry entry) {
        kept.remove(entry.key);
        keptBytes -= entry.bytes;
    }

    /** The file shall go, whatever still happens to it. */
    void discard(DiskEntry entry) {
        entry.usable = false;
        discarded.add(entry);
        if (entry.key == null) {
            foreign.remove(entry);
            foreignBytes -= entry.bytes;
            foreignLeaving++;
        } else {
            kept.remove(entry.key);
            keptBytes -= entry.bytes;
            leaving.put(entry.key, entry);
        }
    }

    /** Discards everything of ours, what is being written included. */
    void discardAll() {
        List.copyOf(kept.values()).forEach(this::discard);
    }

    boolean hasDiscarded() {
        return !discarded.isEmpty();
    }

    /** What is to be deleted next; now the caller's to pass on. */
    List<DiskEntry> takeDiscarded() {
        if (discarded.isEmpty()) {
            return List.of();
        }
        List<DiskEntry> taken = discarded;
        discarded = new ArrayList<>();
        return taken;
    }

    void deleted(DiskEntry entry) {
        if (entry.key == null) {
            foreignLeaving--;
        } else {
            leaving.remove(entry.key);
        }
    }

    /** A file that could not be deleted takes up its bytes again; it is never used, and tried again when it is oldest. */
    void undeleted(DiskEntry entry) {
        deleted(entry);
        entry.writing = false;
        adopt(entry);
    }

    boolean isSettled() {
        return leaving.isEmpty() && foreignLeaving == 0;
    }

    long keptBytes() {
        return keptBytes;
    }
}
