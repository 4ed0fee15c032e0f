package dev.sluice.offload.disk;

import dev.sluice.kv.BlockHash;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One piece of work of the disk tier: goes from the owner's thread to one of the tier's, and comes back with its
 * outcome. Used by one thread at a time; the queues hand it over.
 */
final class DiskJob {

    enum Kind {
        READ,
        /** Deletes, then writes. */
        WRITE,
        /** Deletes only. */
        DELETE
    }

    /** As the owner knows it; none for one that only deletes. */
    final long id;

    final Kind kind;

    /** What is read or written; null for one that only deletes. */
    final @Nullable DiskEntry entry;

    final BlockHash[] pageKeys;
    final int[] pages;

    /** Files to delete before anything else. */
    final List<DiskEntry> deletions;

    /** A reset begins the next one, in which this has no effect. */
    final int generation;

    /** The time that the file shall bear. */
    final long stampMicros;

    boolean succeeded;

    /** Never tried, because the tier is stopping: says nothing about the file. */
    boolean skipped;

    long nanos;

    DiskJob(
            long id,
            Kind kind,
            @Nullable DiskEntry entry,
            BlockHash[] pageKeys,
            int[] pages,
            List<DiskEntry> deletions,
            int generation,
            long stampMicros) {
        this.id = id;
        this.kind = kind;
        this.entry = entry;
        this.pageKeys = pageKeys.clone();
        this.pages = pages.clone();
        this.deletions = deletions;
        this.generation = generation;
        this.stampMicros = stampMicros;
    }

    static DiskJob delete(List<DiskEntry> deletions) {
        return new DiskJob(0, Kind.DELETE, null, new BlockHash[0], new int[0], deletions, 0, 0);
    }
}
