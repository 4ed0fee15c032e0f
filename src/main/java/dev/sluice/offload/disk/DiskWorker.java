package dev.sluice.offload.disk;

import dev.sluice.kv.HostPages;
import dev.sluice.runtime.Clock;
import java.io.IOException;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * The side of the disk tier that waits for the disk. Whatever happens, a job comes back.
 *
 * <p>All files are made and deleted by one thread, in the order in which the owner decided it; reads run beside it on
 * others and change nothing but a file's time.
 */
final class DiskWorker {

    private final Path directory;
    private final Path temporary;
    private final DiskChunkFile format;
    private final DiskFiles files;
    private final HostPages pages;
    private final Clock clock;
    private final long maxBytes;
    private final DiskWarning dropped;
    private final DiskWarning damaged;
    private final DiskWarning undeleted;

    /** As many as there are jobs, whose number the owner limits. */
    private final Queue<DiskJob> ended = new ConcurrentLinkedQueue<>();

    private volatile boolean stopping;

    /** What all files add up to: the last check of the budget, which holds even when a file cannot be deleted. */
    private long storedBytes;

    DiskWorker(
            Path directory,
            DiskChunkFile format,
            DiskFiles files,
            HostPages pages,
            Clock clock,
            long maxBytes,
            long storedBytes) {
        this.directory = directory;
        this.format = format;
        this.files = files;
        this.pages = pages;
        this.clock = clock;
        this.maxBytes = maxBytes;
        this.storedBytes = storedBytes;
        temporary = directory.resolve("writing" + DiskDirectory.TEMPORARY);
        dropped = new DiskWarning("The disk tier drops what it cannot store", clock);
        damaged = new DiskWarning("The disk tier cannot use a chunk and removes it", clock);
        undeleted = new DiskWarning("The disk tier cannot delete a file", clock);
    }

    /** From here on only deletions are done. */
    void stop() {
        stopping = true;
    }

    /** The next job that has ended; null if none has. */
    @Nullable
    DiskJob poll() {
        return ended.poll();
    }

    /** Deletes and writes; the writer's thread. */
    void change(DiskJob job) {
        long begun = clock.monotonicNanos();
        try {
            for (DiskEntry entry : job.deletions) {
                delete(entry);
            }
            begun = clock.monotonicNanos();
            if (job.entry != null) {
                job.skipped = stopping;
                job.succeeded = !job.skipped && write(job, job.entry);
            }
        } finally {
            end(job, begun);
        }
    }

    private void delete(DiskEntry entry) {
        try {
            if (entry.stored) {
                files.delete(entry.file);
                entry.stored = false;
                storedBytes -= entry.bytes;
            }
        } catch (IOException | RuntimeException e) {
            undeleted.give(entry.file, e);
        }
    }

    private boolean write(DiskJob job, DiskEntry entry) {
        try {
            if (storedBytes + entry.bytes > maxBytes) {
                throw new IOException("files that should make room for it are still there");
            }
            try (GatheringByteChannel out = files.create(temporary)) {
                format.write(out, Objects.requireNonNull(entry.key), job.pageKeys, pages, job.pages);
            }
            files.stamp(temporary, job.stampMicros);
            files.publish(temporary, entry.file);
            entry.stored = true;
            storedBytes += entry.bytes;
            return true;
        } catch (IOException | RuntimeException e) {
            dropped.give(directory, e);
            removeTemporary();
            return false;
        }
    }

    private void removeTemporary() {
        try {
            files.delete(temporary);
        } catch (IOException | RuntimeException e) {
            undeleted.give(temporary, e); // the next write begins it anew
        }
    }

    /** Reads and verifies; a reader's thread. */
    void read(DiskJob job) {
        long begun = clock.monotonicNanos();
        try {
            job.skipped = stopping;
            job.succeeded = !job.skipped && read(job, Objects.requireNonNull(job.entry));
        } finally {
            end(job, begun);
        }
    }

    private boolean read(DiskJob job, DiskEntry entry) {
        try {
            try (SeekableByteChannel in = files.open(entry.file)) {
                format.read(in, Objects.requireNonNull(entry.key), job.pageKeys, pages, job.pages);
            }
        } catch (IOException | RuntimeException e) {
            damaged.give(entry.file, e);
            return false;
        }
        try {
            files.stamp(entry.file, job.stampMicros);
        } catch (IOException | RuntimeException e) {
            return true; // only its place after a restart is lost
        }
        return true;
    }

    private void end(DiskJob job, long begun) {
        job.nanos = clock.monotonicNanos() - begun;
        ended.add(job);
    }
}
