package dev.sluice.scheduler;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.KvCache;
import dev.sluice.offload.GuardedConnector;
import dev.sluice.offload.KvConnector;
import dev.sluice.offload.LoadReport;
import dev.sluice.request.FailureKind;
import dev.sluice.scheduler.SchedulerSettings.LoadFailurePolicy;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Loads from the connector while they are under way, and what becomes of them.
 *
 * <p>A sequence whose load runs beside the steps waits with its blocks, out of the batch and out of reach of preemption.
 * A failed load takes back what was counted as computed, from the first bad block on, for everybody who holds that block;
 * statistics are none of its business.
 */
final class RemoteLoads {

    private static final Logger LOG = LoggerFactory.getLogger(RemoteLoads.class);

    /** A connector that broke so many promises to one sequence is not asked for it again. */
    static final int FAILURES_MAX = 3;

    private final ModelExecutor executor;
    private final GuardedConnector connector;
    private final KvCache cache;
    private final LoadFailurePolicy policy;
    private final LiveSequences sequences;
    private final HeldBlocks held;
    private final List<Sequence> failed = new ArrayList<>(); // that end with the next look at the copies
    private boolean pollFails;

    RemoteLoads(
            ModelExecutor executor,
            GuardedConnector connector,
            KvCache cache,
            LoadFailurePolicy policy,
            LiveSequences sequences,
            HeldBlocks held) {
        this.executor = executor;
        this.connector = connector;
        this.cache = cache;
        this.policy = policy;
        this.sequences = sequences;
        this.held = held;
    }

    /** True while copies are under way, or blocks are kept for some. */
    boolean isPending() {
        return !sequences.loading().isEmpty() || !failed.isEmpty() || !held.isEmpty() || connector.hasPendingWork();
    }

    /** True while a sequence waits for a load that has not ended. */
    boolean isLoading() {
        List<Sequence> loading = sequences.loading();
        for (int i = 0; i < loading.size(); i++) {
            if (loading.get(i).loadJob != KvConnector.NO_JOB) {
                return true;
            }
        }
        return false;
    }

    /**
     * Looks at what the copies have come to, and acts on it.
     *
     * @param joined the step whose result has just come, if there is one: what it computed may be in vain
     * @return the amount of work done
     */
    int poll(@Nullable Step joined) {
        if (!isPending()) {
            return 0;
        }
        LoadReport report = connector.onTransfers(endedCopies());
        if (report.invalidBlocks().length > 0) {
            boolean[] invalid = invalid(report);
            takeBackLoading(invalid);
            for (int i = 0; joined != null && i < joined.size(); i++) {
                if (takeBack(joined.get(i), joined.isInVain(i) ? 0 : joined.count(i), invalid)) {
                    joined.setInVain(i);
                }
            }
        }
        for (long job : report.received()) {
            received(job);
        }
        for (long job : report.abandoned()) {
            abandon(job);
        }
        for (Sequence sequence : failed) {
            sequences.fail(
                    sequence, FailureKind.INTERNAL, "cached keys and values of this request could not be loaded");
        }
        failed.clear();
        return report.isEmpty() ? 0 : 1;
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

    private @Nullable Sequence waitingFor(long job) {
        List<Sequence> loading = sequences.loading();
        for (int i = 0; i < loading.size(); i++) {
            if (loading.get(i).loadJob == job) {
                return loading.get(i);
            }
        }
        return null;
    }

    private void received(long job) {
        Sequence sequence = waitingFor(job);
        if (sequence != null) {
            sequences.loadEnded(sequence);
        } else {
            held.release(job);
        }
    }

    private void abandon(long job) {
        Sequence sequence = waitingFor(job);
        if (sequence != null) {
            lose(sequence, 0, 0, true);
            sequences.abandonLoad(sequence);
        }
    }

    /**
     * Acts on loads that will not come with the step that is about to begin: its lines compute, as many tokens as planned, from
     * the first block on that is missing.
     */
    void takeLost(Step step) {
        LoadReport report = connector.takeLost();
        if (report.isEmpty()) {
            return;
        }
        boolean[] invalid = invalid(report);
        takeBackLoading(invalid);
        for (int i = 0; i < step.size(); i++) {
            takeBack(step.get(i), 0, invalid);
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
        for (int i = 0; i < sequences.loading().size(); i++) {
            takeBack(sequences.loading().get(i), 0, invalid);
        }
    }

    /**
     * Lowers what is computed to the first invalid block, if the sequence holds one.
     *
     * @param scheduled tokens that the step computes behind what was there before it
     */
    private boolean takeBack(Sequence sequence, int scheduled, boolean[] invalid) {
        int counted = cache.layout().blocksFor(sequence.computed - scheduled);
        for (int i = 0; i < Math.min(counted, sequence.table().size()); i++) {
            if (invalid[sequence.table().block(i)]) {
                int position = i * cache.layout().blockSize();
                cache.invalidateFrom(sequence.table(), i);
                lose(sequence, position, scheduled, position >= sequence.loadFrom && position < sequence.loadTo);
                return true;
            }
        }
        return false;
    }

    private void lose(Sequence sequence, int position, int scheduled, boolean ownLoad) {
        if (sequences.loseLoaded(sequence, position, scheduled, ownLoad) && policy == LoadFailurePolicy.FAIL) {
            failed.add(sequence);
        }
    }
}
