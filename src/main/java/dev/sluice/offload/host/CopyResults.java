package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.offload.host.TransferJobs.Job;
import dev.sluice.runtime.Clock;
import java.util.Arrays;
import java.util.List;

/** What becomes of copies that have ended, or take too long: chunks completed, dropped, given up, and who is told. */
final class CopyResults {

    private final ChunkGeometry geometry;
    private final ChunkCache cache;
    private final TransferJobs jobs;
    private final StorageTraffic storage;
    private final TierGuard guard;
    private final OffloadListener listener;
    private final Clock clock;
    private long lateCompletions;
    private int[] invalid = {};
    private long[] received = {};
    private long[] abandoned = {};

    CopyResults(
            ChunkGeometry geometry,
            ChunkCache cache,
            TransferJobs jobs,
            StorageTraffic storage,
            TierGuard guard,
            OffloadListener listener,
            Clock clock) {
        this.geometry = geometry;
        this.cache = cache;
        this.jobs = jobs;
        this.storage = storage;
        this.guard = guard;
        this.listener = listener;
        this.clock = clock;
    }

    /** Copies that ended after nobody knew them any more. */
    long lateCompletions() {
        return lateCompletions;
    }

    /** @param generation what was begun in an earlier one has no effect */
    LoadReport apply(List<FinishedTransfer> finished, int generation) {
        for (int i = 0; i < finished.size(); i++) {
            FinishedTransfer transfer = finished.get(i);
            Job job = jobs.end(transfer.job());
            if (job == null) {
                lateCompletions++;
            } else if (job.store) {
                stored(job, transfer, generation);
            } else {
                loaded(job, transfer);
            }
        }
        giveUpOverdue();
        if (invalid.length + received.length + abandoned.length == 0) {
            return LoadReport.NONE;
        }
        LoadReport report = new LoadReport(invalid, received, abandoned);
        invalid = new int[0];
        received = new long[0];
        abandoned = new long[0];
        return report;
    }

    private void stored(Job job, FinishedTransfer transfer, int generation) {
        boolean current = job.generation == generation;
        boolean[] bad = badChunks(job, transfer);
        for (int i = 0; i < job.chunks.size(); i++) {
            BlockHash key = job.chunks.get(i);
            if (job.overdue && current) {
                cache.hideUntilWritten(key, false);
            }
            boolean good = !bad[i] && current;
            cache.completeStore(key, good);
            if (good) {
                int from = i * geometry.chunkBlocks();
                int to = from + geometry.chunkBlocks();
                BlockHash[] keys = Arrays.copyOfRange(job.transfer.keys(), from, to);
                storage.write(key, keys, Arrays.copyOfRange(job.transfer.pages(), from, to), generation);
            }
        }
        tell(job, transfer);
    }

    private void loaded(Job job, FinishedTransfer transfer) {
        for (int position : transfer.failed()) {
            if (!job.overdue) { // else the blocks are nobody's any more
                invalid = Arrays.copyOf(invalid, invalid.length + 1);
                invalid[invalid.length - 1] = job.transfer.blocks()[position];
            }
        }
        boolean[] bad = badChunks(job, transfer);
        for (int i = 0; i < job.chunks.size(); i++) {
            BlockHash key = job.chunks.get(i);
            if (!job.overdue) {
                cache.endLoad(key);
            }
            cache.unpin(key);
            if (bad[i]) {
                cache.drop(key); // or it would be promised again
            }
        }
        if (job.asynchronousLoad()) {
            received = append(received, job.id);
        }
        tell(job, transfer);
    }

    /** Which of the job's chunks had a block that failed. */
    private boolean[] badChunks(Job job, FinishedTransfer transfer) {
        boolean[] bad = new boolean[job.chunks.size()];
        int size = geometry.chunkBlocks();
        int lead = bad.length * size - job.transfer.blocks().length; // the first chunk may be loaded in part
        for (int position : transfer.failed()) {
            bad[(position + lead) / size] = true;
        }
        return bad;
    }

    private void tell(Job job, FinishedTransfer transfer) {
        long bytes = (job.transfer.blocks().length - transfer.failed().length) * geometry.pageBytes();
        if (!transfer.succeeded()) {
            listener.onFailed(Tier.HOST, !job.store);
        } else if (job.store) {
            listener.onStored(Tier.HOST, bytes, transfer.nanos());
        } else {
            listener.onLoaded(Tier.HOST, bytes, transfer.nanos());
        }
        if (job.overdue) {
            return; // it has counted as failed already
        }
        if (transfer.succeeded()) {
            guard.succeeded(transfer.nanos());
        } else {
            guard.failed(transfer.nanos());
        }
    }

    private void giveUpOverdue() {
        long limit = guard.timeLimitNanos();
        if (limit == Long.MAX_VALUE || jobs.openCount() == 0) {
            return;
        }
        long now = clock.monotonicNanos();
        for (Job job : jobs.open()) {
            if (!job.overdue && now - job.begunNanos > limit) {
                giveUp(job, now - job.begunNanos);
            }
        }
    }

    private void giveUp(Job job, long nanos) {
        job.overdue = true;
        guard.failed(nanos);
        listener.onFailed(Tier.HOST, !job.store);
        for (int i = 0; i < job.chunks.size(); i++) {
            if (job.store) {
                cache.hideUntilWritten(job.chunks.get(i), true);
            } else {
                cache.endLoad(job.chunks.get(i));
            }
        }
        if (job.asynchronousLoad()) {
            abandoned = append(abandoned, job.id);
        }
    }

    private static long[] append(long[] list, long value) {
        long[] longer = Arrays.copyOf(list, list.length + 1);
        longer[list.length] = value;
        return longer;
    }
}
