package dev.sluice.offload.disk;

import dev.sluice.kv.BlockHash;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** One chunk file in the index of the disk tier. */
final class DiskEntry {

    /** Null for a chunk of another fingerprint. */
    final @Nullable BlockHash key;

    final Path file;
    final long bytes;

    /** Written completely, and not known to be damaged or to go. Owner's thread. */
    boolean usable;

    /** Being written. Owner's thread. */
    boolean writing;

    /** Being read. Owner's thread. */
    boolean reading;

    /** True while the file takes up space. Writer's thread, or the owner's when its deletion has been tried. */
    boolean stored;

    private DiskEntry(@Nullable BlockHash key, Path file, long bytes) {
        this.key = key;
        this.file = file;
        this.bytes = bytes;
    }

    /** A file found at start. */
    static DiskEntry found(@Nullable BlockHash key, Path file, long bytes) {
        DiskEntry entry = new DiskEntry(key, file, bytes);
        entry.usable = key != null;
        entry.stored = true;
        return entry;
    }

    /** A file that shall be written. */
    static DiskEntry begun(BlockHash key, Path file, long bytes) {
        DiskEntry entry = new DiskEntry(key, file, bytes);
        entry.writing = true;
        return entry;
    }

    boolean evictable() {
        return !writing && !reading;
    }
}
