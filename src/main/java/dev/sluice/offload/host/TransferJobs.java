package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.KvConnector;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The copy jobs between device and host: those waiting for the next work order and those under way; and the fence, which
 * says for each device block which store still reads it.
 */
final class TransferJobs {

    /** One copy job and what it is about. */
    static final class Job {
        final long id;
        final boolean store;
        final List<BlockHash> chunks;
        final BlockTransfer transfer;
        final long begunNanos;
        final int generation;
        boolean overdue;
        private boolean awaited; // by a step that writes its blocks

        Job(long id, boolean store, List<BlockHash> chunks, BlockTransfer transfer, long begunNanos, int generation) {
            this.id = id;
            this.store = store;
            this.chunks = chunks;
            this.transfer = transfer;
            this.begunNanos = begunNanos;
            this.generation = generation;
        }

        boolean asynchronousLoad() {
            return !store && !transfer.beforeStep();
        }

        private boolean touches(int block) {
            for (int candidate : transfer.blocks()) {
                if (candidate == block) {
                    return true;
                }
            }
            return false;
        }
    }

    private static final long[] NOTHING = {};

    private final int[] readers; // device block -> open stores that read it and are not awaited yet
    private final Map<Long, Job> open = new LinkedHashMap<>();
    private List<BlockTransfer> stores = new ArrayList<>();
    private List<BlockTransfer> loads = new ArrayList<>();
    private long[] awaited = new long[16];
    private int awaitedCount;
    private long lastId;
    private int openStores;

    TransferJobs(int deviceBlocks) {
        readers = new int[deviceBlocks];
    }

    /** Takes a job into the next work order. */
    Job begin(
            boolean store,
            boolean beforeStep,
            List<BlockHash> chunks,
            int[] blocks,
            int[] pages,
            BlockHash[] keys,
            long now,
            int generation) {
        long id = ++lastId;
        BlockTransfer transfer = new BlockTransfer(id, blocks, pages, keys, beforeStep);
        Job job = new Job(id, store, chunks, transfer, now, generation);
        open.put(id, job);
        if (store) {
            stores.add(transfer);
            openStores++;
            for (int block : blocks) {
                readers[block]++;
            }
        } else {
            loads.add(transfer);
        }
        return job;
    }

    /**
     * The step is going to write this block. More than one store may read it: chunks that part ways within a block's
     * neighbours share the blocks before.
     */
    void willWrite(int block) {
        if (readers[block] == 0) {
            return;
        }
        for (Job job : open.values()) {
            if (job.store && !job.awaited && job.touches(block)) {
                await(job);
            }
        }
    }

    private void await(Job job) {
        job.awaited = true;
        for (int block : job.transfer.blocks()) {
            readers[block]--;
        }
        if (awaitedCount == awaited.length) {
            awaited = Arrays.copyOf(awaited, awaitedCount * 2);
        }
        awaited[awaitedCount++] = job.id;
    }

    /** False while no store reads any block: then nothing has to be fenced. */
    boolean hasStores() {
        return openStores > 0;
    }

    /** What goes with the next step. */
    TransferPlan takePlan() {
        for (int i = 0; i < loads.size() && hasStores(); i++) {
            for (int block : loads.get(i).blocks()) {
                willWrite(block);
            }
        }
        if (stores.isEmpty() && loads.isEmpty() && awaitedCount == 0) {
            return TransferPlan.NONE;
        }
        long[] waits = awaitedCount == 0 ? NOTHING : Arrays.copyOf(awaited, awaitedCount);
        TransferPlan plan = new TransferPlan(waits, stores, loads);
        stores = new ArrayList<>();
        loads = new ArrayList<>();
        awaitedCount = 0;
        return plan;
    }

    /** A job has ended; null if nobody knows it. */
    @Nullable
    Job end(long id) {
        Job job = open.remove(id);
        if (job != null && job.store) {
            openStores--;
            for (int block : job.transfer.blocks()) {
                readers[block] -= job.awaited ? 0 : 1;
            }
        }
        return job;
    }

    /** True while this load is under way and has not been given up. */
    boolean isLoading(long id) {
        Job job = id == KvConnector.NO_JOB ? null : open.get(id);
        return job != null && !job.overdue;
    }

    Iterable<Job> open() {
        return open.values();
    }

    int openCount() {
        return open.size();
    }

    /** Audits the fence: all open stores stand in it, and nothing else. */
    void verify() {
        int[] expected = new int[readers.length];
        int stores = 0;
        for (Job job : open.values()) {
            stores += job.store ? 1 : 0;
            for (int block : job.transfer.blocks()) {
                expected[block] += job.store && !job.awaited ? 1 : 0;
            }
        }
        if (stores != openStores || !Arrays.equals(expected, readers)) {
            throw new IllegalStateException("the fence and the open stores disagree");
        }
    }
}
