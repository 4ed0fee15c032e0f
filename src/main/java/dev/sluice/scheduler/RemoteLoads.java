package dev.sluice.scheduler;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.kv.BlockPool;
import dev.sluice.kv.BlockTable;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.KvCache;
import dev.sluice.offload.GuardedConnector;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.LoadReport;
import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Loads from the connector while they are under way, and what becomes of them.
 *
 * <p>A sequence whose load runs beside the steps waits with its blocks, out of the batch and out of reach of preemption.
 * Blocks that a copy may still touch although their sequence has ended, or has stopped waiting for it, are kept apart
 * until the copy is known to be over. A failed load takes back what was counted as computed, from the first bad block on,
 * for everybody who holds that block; statistics are none of its business.
 */
final class RemoteLoads {

    private static final Logger LOG = LoggerFactory.getLogger(RemoteLoads.class);

    /** A connector that broke so many promises to one sequence is not asked for it again. */
    static final int FAILURES_MAX = 3;

    private final ModelExecutor executor;
    private final GuardedConnector connector;
    private final KvCache cache;
    private final LoadFailurePolicy policy;
    private final LifecycleListener listener;
    private final List<Sequence> loading = new ArrayList<>();
    private final Map<Long, int[]> keptForJob = new LinkedHashMap<>();
    private final List<Sequence> failed = new ArrayList<>();
    private boolean pollFails;

    RemoteLoads(
            ModelExecutor executor,
            GuardedConnector connector,
            KvCache cache,
            LoadFailurePolicy policy,
            LifecycleListener listener) {
        this.executor = executor;
        this.connector = connector;
        this.cache = cache;
        this.policy = policy;
        this.listener = listener;
    }

    /** A sequence was given its blocks and waits for this job to fill them. */
    void begin(Sequence sequence, long job) {
        sequence.state = Sequence.State.WAITING_FOR_REMOTE_KVS;
        sequence.loadJob = job;
        loading.add(sequence);
    }

    /** True while a sequence waits for a load that has not ended. */
    boolean isLoading() {
        for (int i = 0; i < loading.size(); i++) {
            if (loading.get(i).loadJob != KvConnector.NO_JOB) {
                return true;
            }
        }
        return false;
    }

    /** Blocks that sequences admitted earlier still need before they can do without a load, or finish their prompt. */
    int reservedBlocks(List<Sequence> running) {
        int reserved = 0;
        for (int i = 0; i < loading.size(); i++) {
            reserved += missingBlocks(loading.get(i));
        }
        for (int i = 0; i < running.size(); i++) {
            Sequence sequence = running.get(i);
            if (sequence.computed + sequence.scheduled < sequence.promptLength()) {
                reserved += missingBlocks(sequence);
            }
        }
        return reserved;
    }

    private int missingBlocks(Sequence sequence) {
        return cache.layout().blocksFor(sequence.tokenCount())
                - sequence.table().size();
    }

    /**
     * Lets a sequence whose load has ended be admitted.
     *
     * @return false if the load is still under way
     */
    boolean promote(Sequence sequence) {
        if (sequence.loadJob != KvConnector.NO_JOB) {
            return false;
        }
        forget(sequence);
        if (sequence.computed == 0) {
            cache.release(sequence.table()); // nothing of use arrived: look everywhere again
            return true;
        }
        cache.register(sequence.table(), sequence.computed);
        if (sequence.computed == sequence.tokenCount()) {
            sequence.computed--; // its logits have to come from somewhere
        }
        return true;
    }

    /** Looks at what the copies have come to, and acts on it. Returns the amount of work done. */
    int poll(Batch batch) {
        LoadReport report = connector.onTransfers(endedCopies());
        if (report.isEmpty()) {
            return 0;
        }
        if (report.invalidBlocks().length > 0) {
            boolean[] invalid = invalid(report);
            takeBackLoading(invalid);
            for (int i = 0; i < batch.size(); i++) {
                if (takeBack(batch.get(i), batch.count(i), invalid)) {
                    batch.takeBack(i);
                }
            }
        }
        for (long job : report.received()) {
            received(job);
        }
        for (long job : report.abandoned()) {
            abandon(job);
        }
        return 1;
    }

    /** Nothing is known of copies while the executor fails to say: the connector's time limit ends the waiting. */
    private List<FinishedTransfer> endedCopies() {
        try {
            List<FinishedTransfer> ended = executor.pollTransfers();
            pollFails = false;
            return ended;
        } catch (RuntimeException e) {
            if (e instanceof ExecutorException known && known.scope() == ExecutorException.Scope.DEVICE) {
                throw e;
            }
            if (!pollFails) {
                LOG.error("The executor cannot say which copies have ended", e);
            }
            pollFails = true;
            return List.of();
        }
    }

    private void received(long job) {
        for (int i = 0; i < loading.size(); i++) {
            if (loading.get(i).loadJob == job) {
                loading.get(i).loadJob = KvConnector.NO_JOB;
                return;
            }
        }
        free(keptForJob.remove(job));
    }

    /** The sequence goes on without its load; the blocks stay out of use as long as the copy may write them. */
    private void abandon(long job) {
        for (int i = 0; i < loading.size(); i++) {
            Sequence sequence = loading.get(i);
            if (sequence.loadJob == job) {
                keepForJob(sequence);
                lose(sequence, 0, 0, true);
                forget(sequence);
                return;
            }
        }
    }

    private void keepForJob(Sequence sequence) {
        keptForJob.put(sequence.loadJob, sequence.table().surrender());
        sequence.loadJob = KvConnector.NO_JOB;
    }

    /** As {@link #abandon}, for all loads that are under way, and without blaming them. */
    void giveUpAll() {
        for (Sequence sequence : List.copyOf(loading)) {
            if (sequence.loadJob != KvConnector.NO_JOB) {
                keepForJob(sequence);
                sequence.computed = 0;
                sequence.ledger().admittedInVain();
                forget(sequence);
            }
        }
    }

    /** The sequence does not wait for a load any more. */
    void forget(Sequence sequence) {
        loading.remove(sequence);
        sequence.state = sequence.timeline().preemptions > 0 ? Sequence.State.PREEMPTED : Sequence.State.WAITING;
    }

    /**
     * Acts on loads that will not come with the step that is about to begin: its lines compute, as many tokens as planned, from
     * the first block on that is missing.
     */
    void takeLost(Batch batch) {
        LoadReport report = connector.takeLost();
        if (report.isEmpty()) {
            return;
        }
        boolean[] invalid = invalid(report);
        takeBackLoading(invalid);
        for (int i = 0; i < batch.size(); i++) {
            takeBack(batch.get(i), 0, invalid);
        }
        for (long job : report.received()) {
            received(job);
        }
    }

    private boolean[] invalid(LoadReport report) {
        boolean[] invalid = new boolean[cache.layout().blockCount()];
        for (int block : report.invalidBlocks()) {
            invalid[block] = true;
        }
        return invalid;
    }

    private void takeBackLoading(boolean[] invalid) {
        for (int i = 0; i < loading.size(); i++) {
            takeBack(loading.get(i), 0, invalid);
        }
    }

    /**
     * Lowers what is computed to the first invalid block, if the sequence holds one.
     *
     * @param scheduled tokens that the step computes behind what was there before it
     */
    private boolean takeBack(Sequence sequence, int scheduled, boolean[] invalid) {
        int held = cache.layout().blocksFor(sequence.computed - scheduled);
        for (int i = 0; i < Math.min(held, sequence.table().size()); i++) {
            if (invalid[sequence.table().block(i)]) {
                int position = i * cache.layout().blockSize();
                cache.unregisterFrom(sequence.table(), i);
                lose(sequence, scheduled, position, position >= sequence.loadFrom && position < sequence.loadTo);
                return true;
            }
        }
        return false;
    }

    /**
     * A step did not compute the blocks that this table registered in it. Whoever began a load in that very step may have
     * found them as its prefix; it loses them and what comes after. A shared block has the same index in both tables.
     */
    void notComputed(BlockTable bad, int from) {
        for (int i = 0; i < loading.size(); i++) {
            Sequence sequence = loading.get(i);
            int end = Math.min(bad.registered(), sequence.table().size());
            for (int block = from; block < end; block++) {
                if (sequence.table().block(block) == bad.block(block)) {
                    int left = block * cache.layout().blockSize();
                    if (left < sequence.computed) {
                        sequence.computed = left;
                        sequence.foundOnly(left);
                    }
                    cache.disown(sequence.table(), block);
                    break;
                }
            }
        }
    }

    /**
     * Has a sequence compute what a load did not bring.
     *
     * @param ownLoad false if it only shares a block that another one was loading: then that is no failure of its own
     */
    private void lose(Sequence sequence, int scheduled, int computed, boolean ownLoad) {
        sequence.ledger().lost(computed, sequence.computed - scheduled);
        sequence.computed = computed;
        if (!ownLoad || sequence.loadFailed) {
            return;
        }
        sequence.loadFailed = true;
        sequence.failedLoads++;
        listener.onLoadFailed(sequence.timeline());
        if (policy == LoadFailurePolicy.FAIL) {
            failed.add(sequence);
        }
    }

    /** Sequences that have to end because a load of theirs failed; empties the list. */
    List<Sequence> takeFailed() {
        if (failed.isEmpty()) {
            return List.of();
        }
        List<Sequence> result = List.copyOf(failed);
        failed.clear();
        return result;
    }

    /** Takes the blocks of a sequence that ends: back to the pool, or aside if something may still touch them. */
    void release(Sequence sequence) {
        loading.remove(sequence);
        failed.remove(sequence);
        if (sequence.loadJob != KvConnector.NO_JOB) {
            keepForJob(sequence);
        } else {
            cache.release(sequence.table());
        }
    }

    /** Gives kept blocks back; of a job that nobody knows there are none, and nothing happens. */
    private void free(int @Nullable [] blocks) {
        if (blocks == null) {
            return;
        }
        BlockPool pool = cache.pool();
        for (int i = blocks.length - 1; i >= 0; i--) {
            pool.release(blocks[i]);
        }
    }

    /** True while copies are under way, or blocks are kept for some. */
    boolean isPending() {
        return !loading.isEmpty() || !failed.isEmpty() || !keptForJob.isEmpty() || connector.hasPendingWork();
    }

    /** Forgets what the device holds; false, with nothing changed, if a live sequence holds some of it. */
    boolean forgetContents() {
        int[] kept = new int[cache.layout().blockCount()];
        countKept(kept);
        return cache.pool().clear(kept);
    }

    /** Counts the blocks that no live sequence holds, but a copy may still touch. */
    void countKept(int[] held) {
        for (int[] blocks : keptForJob.values()) {
            for (int block : blocks) {
                held[block]++;
            }
        }
    }
}
