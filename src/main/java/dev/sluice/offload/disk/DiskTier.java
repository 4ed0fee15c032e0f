package dev.sluice.offload.disk;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.HostPages;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.disk.DiskJob.Kind;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.Threads;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A storage tier of files in one directory: a cache that survives a restart, never forces anything to the disk, and
 * believes nothing it reads.
 *
 * <p>The owner's thread keeps the index ({@link DiskIndex}) and decides; threads of the tier do what was decided
 * ({@link DiskWorker}) and do not touch it. A file has its final name only when it is whole; what a crash or a power
 * failure leaves is found by size at the next start or by checksum at the first read. A read that fails for any reason
 * costs the file: recomputing is cheaper than trusting. {@link Ended#bytes} counts pages, without the file's header.
 *
 * <p>A process that is killed in the middle of a {@link #reset} may find some of the chunks again.
 */
public final class DiskTier implements StorageTier {

    /** As metrics and answers spell it. */
    public static final String NAME = "storage";

    private static final Logger LOG = LoggerFactory.getLogger(DiskTier.class);

    /** A chunk takes milliseconds; a disk that hangs must not keep the server from stopping. */
    private static final long STOP_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final DiskSettings settings;
    private final DiskDirectory directory;
    private final DiskChunkFile format;
    private final DiskIndex index;
    private final DiskWorker worker;
    private final ExecutorService writer;
    private final ExecutorService readers;
    private final Clock clock;
    private final long pageBytes;
    private final Set<BlockHash> reads = new HashSet<>();
    private long stampMicros;
    private int generation;
    private int writesOpen;
    private boolean deleting;
    private boolean closed;

    /**
     * Opens the directory and takes in what is usable there.
     *
     * @param fingerprint of all that decides whether a chunk means the same: model, data type, block size, hash seed
     * @param blocksPerChunk most pages that a chunk has
     * @throws IllegalArgumentException with one sentence for the operator if the directory cannot be used
     */
    public DiskTier(DiskSettings settings, String fingerprint, HostPages pages, int blocksPerChunk, Clock clock) {
        this(settings, fingerprint, pages, blocksPerChunk, clock, DiskFiles.REAL);
    }

    DiskTier(
            DiskSettings settings,
            String fingerprint,
            HostPages pages,
            int blocksPerChunk,
            Clock clock,
            DiskFiles files) {
        this.settings = settings;
        this.clock = clock;
        pageBytes = pages.pageBytes();
        format = new DiskChunkFile(fingerprint, pageBytes, blocksPerChunk);
        long chunkBytes = format.fileBytes(blocksPerChunk);
        if (settings.maxBytes() < chunkBytes) {
            throw new IllegalArgumentException("the byte budget of the disk tier must be at least one chunk, "
                    + chunkBytes + ", is " + settings.maxBytes());
        }
        directory = DiskDirectory.open(settings.directory());
        DiskScan scan = scan(directory, format, files);
        index = new DiskIndex(settings.maxBytes());
        scan.entries().forEach(index::adopt);
        stampMicros = scan.newestMicros();
        long storedBytes = scan.entries().stream().mapToLong(e -> e.bytes).sum();
        worker = new DiskWorker(directory.path(), format, files, pages, clock, settings.maxBytes(), storedBytes);
        // More than the writes: one job that only deletes, of which there is one at a time; and the last one, at the
        // end.
        writer = Threads.boundedPool("disk-write", 1, settings.writesMax() + 2);
        readers = Threads.boundedPool("disk-read", settings.readThreads(), settings.readsMax());
        index.makeRoom(0);
        deleteDiscarded();
    }

    private static DiskScan scan(DiskDirectory directory, DiskChunkFile format, DiskFiles files) {
        try {
            return DiskScan.of(directory.path(), format, files);
        } catch (IOException e) {
            directory.close();
            throw DiskDirectory.unusable(directory.path(), e);
        }
    }

    @Override
    public Lookup lookup(BlockHash key) {
        return contains(key) ? Lookup.HIT : Lookup.MISS;
    }

    boolean contains(BlockHash key) {
        return index.usable(key) != null;
    }

    @Override
    public boolean write(long id, BlockHash key, BlockHash[] pageKeys, int[] pages) {
        if (closed || writesOpen == settings.writesMax() || !format.isPossibleChunk(pageKeys.length, pages.length)) {
            return false;
        }
        if (index.knows(key)) {
            index.touch(key); // what is computed again is wanted; a restart does not know of it
            return false;
        }
        long bytes = format.fileBytes(pages.length);
        if (!index.makeRoom(bytes)) {
            return false;
        }
        DiskEntry entry = index.begin(key, directory.resolve(format.name(key)), bytes);
        DiskJob job =
                new DiskJob(id, Kind.WRITE, entry, pageKeys, pages, index.takeDiscarded(), generation, nextStamp());
        writesOpen++;
        writer.execute(() -> worker.change(job));
        return true;
    }

    @Override
    public boolean read(long id, BlockHash key, BlockHash[] pageKeys, int[] pages) {
        DiskEntry entry = index.usable(key);
        if (closed
                || entry == null
                || reads.size() == settings.readsMax()
                || reads.contains(key)
                || !format.isPossibleChunk(pageKeys.length, pages.length)) {
            return false;
        }
        index.touch(key);
        entry.reading = true;
        DiskJob job = new DiskJob(id, Kind.READ, entry, pageKeys, pages, List.of(), generation, nextStamp());
        reads.add(key);
        readers.execute(() -> worker.read(job));
        return true;
    }

    /** Wall time, but never the same twice and never back: the order of use, kept in the files' times. */
    private long nextStamp() {
        stampMicros = Math.max(stampMicros + 1, TimeUnit.MILLISECONDS.toMicros(clock.wallMillis()));
        return stampMicros;
    }

    @Override
    public List<Ended> poll() {
        DiskJob job = worker.poll();
        List<Ended> ended = job == null ? List.of() : new ArrayList<>();
        while (job != null) {
            Ended end = settle(job);
            if (end != null) {
                ended.add(end);
            }
            job = worker.poll();
        }
        deleteDiscarded();
        return ended;
    }

    private @Nullable Ended settle(DiskJob job) {
        boolean current = job.generation == generation;
        for (DiskEntry entry : job.deletions) {
            if (entry.stored) {
                index.undeleted(entry);
            } else {
                index.deleted(entry);
            }
        }
        DiskEntry entry = job.entry;
        if (entry == null || entry.key == null) {
            deleting = false;
            return null;
        }
        if (job.kind == Kind.READ) {
            settleRead(job, entry, current);
        } else {
            settleWrite(job, entry, current);
        }
        boolean succeeded = job.succeeded && current;
        return new Ended(job.id, succeeded, succeeded ? job.pages.length * pageBytes : 0, job.nanos);
    }

    private void settleWrite(DiskJob job, DiskEntry entry, boolean current) {
        writesOpen--;
        if (current) {
            if (job.succeeded) {
                index.written(entry);
            } else {
                index.lost(entry);
            }
        }
    }

    private void settleRead(DiskJob job, DiskEntry entry, boolean current) {
        reads.remove(entry.key);
        entry.reading = false;
        if (current && !job.succeeded && !job.skipped) {
            index.discard(entry);
        }
    }

    /** Passes on what is to be deleted, when no write does it. */
    private void deleteDiscarded() {
        if (!closed && !deleting && index.hasDiscarded()) {
            deleting = true;
            DiskJob job = DiskJob.delete(index.takeDiscarded());
            writer.execute(() -> worker.change(job));
        }
    }

    /** True while a job is open or a file is to be deleted. */
    boolean hasPendingWork() {
        return writesOpen > 0 || !reads.isEmpty() || !index.isSettled();
    }

    @Override
    public long bytesUsed() {
        return index.keptBytes();
    }

    @Override
    public long bytesCapacity() {
        return settings.maxBytes();
    }

    /** Operations that are open are reported as failed, whatever becomes of them. */
    @Override
    public void reset() {
        generation++;
        index.discardAll();
        deleteDiscarded();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        worker.stop();
        DiskJob last = DiskJob.delete(index.takeDiscarded()); // what a reset has forgotten must not come back
        writer.execute(() -> worker.change(last));
        closed = true;
        writer.shutdown();
        readers.shutdown();
        long deadline = clock.monotonicNanos() + STOP_NANOS;
        boolean stopped = ends(writer, deadline) && ends(readers, deadline);
        if (stopped) {
            directory.close();
        } else {
            // Its threads still hold the lock's meaning: nobody else may come in while one of them could write.
            LOG.warn("The disk tier did not end in time; {} stays locked until this process ends", directory.path());
        }
    }

    private boolean ends(ExecutorService threads, long deadline) {
        try {
            return threads.awaitTermination(deadline - clock.monotonicNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
