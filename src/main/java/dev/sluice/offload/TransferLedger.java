package dev.sluice.offload;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.runtime.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * All transfers under way between the tiers: gives them their jobs, tells listener and guards how each of them ended, once,
 * and gives up those that take longer than their tier's guard allows.
 *
 * <p>Those that the executor copies wait here for the next step. The fence says for each device block which stores
 * still read it: a step that writes the block waits for them.
 */
public final class TransferLedger {

    private static final long[] NOTHING = {};

    private final long pageBytes;
    private final OffloadListener listener;
    private final Clock clock;
    private final int[] readers; // device block -> open stores that read it and are not awaited yet
    private final Map<Long, Transfer> open = new LinkedHashMap<>();
    private List<BlockTransfer> stores = new ArrayList<>();
    private List<BlockTransfer> loads = new ArrayList<>();
    private long[] awaited = new long[16];
    private int awaitedCount;
    private long lastJob;
    private int openStores; // of those that read the device
    private int generation;
    private long lateCompletions;

    /** @param pageBytes of one block */
    public TransferLedger(int deviceBlocks, long pageBytes, OffloadListener listener, Clock clock) {
        this.pageBytes = pageBytes;
        this.listener = listener;
        this.clock = clock;
        readers = new int[deviceBlocks];
    }

    /** Begins a copy between the device and a tier: it goes with the next step. */
    public Transfer beginCopy(
            Tier tier,
            boolean load,
            boolean beforeStep,
            List<BlockHash> chunks,
            int[] blocks,
            int[] pages,
            BlockHash[] keys) {
        BlockTransfer copy = new BlockTransfer(lastJob + 1, blocks, pages, keys, beforeStep);
        (load ? loads : stores).add(copy);
        if (!load) {
            openStores++;
            for (int block : blocks) {
                readers[block]++;
            }
        }
        return begin(tier, load, chunks, copy);
    }

    /** Begins a transfer of one chunk between a tier beyond the device and the one before it. */
    public Transfer begin(Tier tier, boolean load, BlockHash chunk) {
        return begin(tier, load, List.of(chunk), null);
    }

    private Transfer begin(Tier tier, boolean load, List<BlockHash> chunks, @Nullable BlockTransfer copy) {
        long now = clock.monotonicNanos();
        Transfer transfer = new Transfer(++lastJob, tier, load, chunks, copy, now, generation, false, false);
        open.put(transfer.job(), transfer);
        return transfer;
    }

    /** The tier has not taken it: it was never begun. */
    public void withdraw(Transfer transfer) {
        open.remove(transfer.job());
    }

    /** A copy has ended; null, and nothing happens, if nobody knows it. */
    public @Nullable Transfer end(FinishedTransfer ended) {
        Transfer transfer = remove(ended.job());
        if (transfer == null) {
            return null;
        }
        if (transfer.readsDevice()) {
            openStores--;
            for (int block : transfer.blocks()) {
                readers[block] -= transfer.isAwaited() ? 0 : 1;
            }
        }
        tell(transfer, ended.succeeded(), transfer.blocks().length * pageBytes, ended.nanos());
        return transfer;
    }

    /** As {@link #end(FinishedTransfer)}, of a job of a storage tier. */
    public @Nullable Transfer end(StorageTier.Ended ended) {
        Transfer transfer = remove(ended.job());
        if (transfer != null) {
            tell(transfer, ended.succeeded(), ended.bytes(), ended.nanos());
        }
        return transfer;
    }

    private @Nullable Transfer remove(long job) {
        Transfer transfer = open.remove(job);
        lateCompletions += transfer == null ? 1 : 0;
        return transfer;
    }

    /** One that was given up has counted as failed already. */
    private void tell(Transfer transfer, boolean succeeded, long bytes, long nanos) {
        if (succeeded) {
            succeeded(transfer, bytes, nanos);
        } else if (!transfer.isOverdue()) {
            failed(transfer, nanos);
        }
    }

    private void succeeded(Transfer transfer, long bytes, long nanos) {
        if (transfer.isLoad()) {
            listener.onLoaded(transfer.tier().name(), bytes, nanos);
        } else {
            listener.onStored(transfer.tier().name(), bytes, nanos);
        }
        if (!transfer.isOverdue()) {
            transfer.tier().guard().succeeded(nanos);
        }
    }

    private void failed(Transfer transfer, long nanos) {
        listener.onFailed(transfer.tier().name(), transfer.isLoad());
        if (isCurrent(transfer)) { // else the reset took away what it would have moved: the tier is not ill
            transfer.tier().guard().failed(nanos);
        }
    }

    /** Gives up what takes too long; it stays open until its end is reported. */
    public List<Transfer> giveUpOverdue() {
        if (open.isEmpty()) {
            return List.of();
        }
        List<Transfer> givenUp = new ArrayList<>();
        long now = clock.monotonicNanos();
        for (Map.Entry<Long, Transfer> entry : open.entrySet()) {
            Transfer transfer = entry.getValue();
            long nanos = now - transfer.startedNanos();
            if (!transfer.isOverdue() && nanos > transfer.tier().guard().timeLimitNanos()) {
                entry.setValue(transfer.overdue());
                failed(transfer, nanos);
                givenUp.add(transfer);
            }
        }
        return givenUp;
    }

    /** What was begun before has no effect when it ends. */
    public void reset() {
        generation++;
    }

    /** False if there was a {@link #reset} since it began. */
    public boolean isCurrent(Transfer transfer) {
        return transfer.generation() == generation;
    }

    /**
     * The step is going to write this block. More than one store may read it: two chunks that differ only in their last
     * blocks share those before.
     */
    public void willWrite(int block) {
        if (readers[block] == 0) {
            return;
        }
        for (Map.Entry<Long, Transfer> entry : open.entrySet()) {
            Transfer transfer = entry.getValue();
            if (transfer.readsDevice() && !transfer.isAwaited() && contains(transfer.blocks(), block)) {
                entry.setValue(transfer.awaited());
                for (int read : transfer.blocks()) {
                    readers[read]--;
                }
                if (awaitedCount == awaited.length) {
                    awaited = Arrays.copyOf(awaited, awaitedCount * 2);
                }
                awaited[awaitedCount++] = transfer.job();
            }
        }
    }

    private static boolean contains(int[] blocks, int block) {
        for (int candidate : blocks) {
            if (candidate == block) {
                return true;
            }
        }
        return false;
    }

    /** False while no store reads any block: then nothing has to be fenced. */
    public boolean hasStores() {
        return openStores > 0;
    }

    /** What goes with the next step. */
    public TransferPlan takePlan() {
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

    /** True while this transfer is under way and has not been given up. */
    public boolean isUnderWay(long job) {
        Transfer transfer = open.get(job);
        return transfer != null && !transfer.isOverdue();
    }

    public int openCount() {
        return open.size();
    }

    /** Transfers that ended after nobody knew them any more. */
    public long lateCompletions() {
        return lateCompletions;
    }

    /**
     * Audits the fence: all open stores stand in it, and nothing else.
     *
     * @throws IllegalStateException if not
     */
    public void verify() {
        int[] expected = new int[readers.length];
        int reading = 0;
        for (Transfer transfer : open.values()) {
            reading += transfer.readsDevice() ? 1 : 0;
            for (int block : transfer.blocks()) {
                expected[block] += transfer.readsDevice() && !transfer.isAwaited() ? 1 : 0;
            }
        }
        if (reading != openStores || !Arrays.equals(expected, readers)) {
            throw new IllegalStateException("the fence and the open stores disagree");
        }
    }
}
