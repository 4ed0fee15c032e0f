package dev.sluice.offload;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.TransferPlan;
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
    }

    private static final long NO_STORE = 0;
    private static final long[] NOTHING = {};

    private final long[] readBy; // device block -> store job
    private final Map<Long, Job> open = new LinkedHashMap<>();
    private List<BlockTransfer> stores = new ArrayList<>();
    private List<BlockTransfer> loads = new ArrayList<>();
    private long[] awaited = new long[16];
    private int awaitedCount;
    private long lastId;
    private int openStores;

    TransferJobs(int deviceBlocks) {
        readBy = new long[deviceBlocks];
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
                readBy[block] = id;
            }
        } else {
            loads.add(transfer);
        }
        return job;
    }

    /** The step is going to write this block. */
    void willWrite(int block) {
        long job = readBy[block];
        if (job == NO_STORE) {
            return;
        }
        readBy[block] = NO_STORE;
        for (int i = 0; i < awaitedCount; i++) {
            if (awaited[i] == job) {
                return;
            }
        }
        if (awaitedCount == awaited.length) {
            awaited = Arrays.copyOf(awaited, awaitedCount * 2);
        }
        awaited[awaitedCount++] = job;
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
                if (readBy[block] == id) {
                    readBy[block] = NO_STORE;
                }
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

    /** Audits the fence: only open stores stand in it. */
    void verify() {
        for (long id : readBy) {
            if (id != NO_STORE && !open.containsKey(id)) {
                throw new IllegalStateException("the fence holds a job that has ended");
            }
        }
    }
}
