package dev.sluice.offload.host;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.Transfer;
import dev.sluice.offload.TransferLedger;
import java.util.Arrays;
import java.util.List;

/**
 * What becomes of the chunks of host memory, and of the requests that wait for them, when transfers end or take too long.
 * A transfer either fills its chunks in host memory, from the device or from a storage tier, or reads them.
 */
final class TransferCompletions {

    private final ChunkGeometry geometry;
    private final ChunkCache cache;
    private final TransferLedger ledger;
    private final StorageTiers storage;
    private final LoadReport.Builder report = new LoadReport.Builder();

    TransferCompletions(ChunkGeometry geometry, ChunkCache cache, TransferLedger ledger, StorageTiers storage) {
        this.geometry = geometry;
        this.cache = cache;
        this.ledger = ledger;
        this.storage = storage;
    }

    /** Takes in what has ended behind host memory; returns true if anything has. */
    boolean poll() {
        List<StorageTier.Ended> all = storage.poll();
        for (StorageTier.Ended ended : all) {
            Transfer transfer = ledger.end(ended);
            if (transfer != null) {
                settle(transfer, new boolean[] {!ended.succeeded()});
            }
        }
        return !all.isEmpty();
    }

    /** Takes in copies that have ended, and gives up what takes too long. */
    LoadReport apply(List<FinishedTransfer> finished) {
        for (int i = 0; i < finished.size(); i++) {
            Transfer transfer = ledger.end(finished.get(i));
            if (transfer != null) {
                invalidate(transfer, finished.get(i).failed());
                settle(transfer, badChunks(transfer, finished.get(i).failed()));
            }
        }
        for (Transfer transfer : ledger.giveUpOverdue()) {
            giveUp(transfer);
        }
        return report.take();
    }

    private static boolean fillsHost(Transfer transfer) {
        return transfer.isLoad() == (transfer.copy() == null);
    }

    /** What a load did not bring; after it was given up, the blocks are nobody's any more. */
    private void invalidate(Transfer transfer, int[] failed) {
        BlockTransfer copy = transfer.copy();
        for (int i = 0; copy != null && transfer.isLoad() && !transfer.isOverdue() && i < failed.length; i++) {
            report.invalidate(copy.blocks()[failed[i]]);
        }
    }

    private void settle(Transfer transfer, boolean[] bad) {
        for (int i = 0; i < bad.length; i++) {
            if (fillsHost(transfer)) {
                filled(transfer, i, bad[i]);
            } else {
                wasRead(transfer, transfer.chunks().get(i), bad[i]);
            }
        }
        if (transfer.isAsynchronousLoad()) {
            report.receive(transfer.job());
        }
    }

    /** What was begun before a reset is not kept. */
    private void filled(Transfer transfer, int index, boolean bad) {
        BlockHash key = transfer.chunks().get(index);
        boolean current = ledger.isCurrent(transfer);
        if (transfer.isOverdue() && current) {
            cache.hideUntilWritten(key, false);
        }
        cache.completeStore(key, current && !bad);
        BlockTransfer copy = transfer.copy();
        if (copy != null && current && !bad) {
            int from = index * geometry.chunkBlocks();
            int to = from + geometry.chunkBlocks();
            storage.write(key, Arrays.copyOfRange(copy.keys(), from, to), Arrays.copyOfRange(copy.pages(), from, to));
        }
    }

    private void wasRead(Transfer transfer, BlockHash key, boolean bad) {
        if (transfer.isLoad() && !transfer.isOverdue()) {
            cache.endLoad(key);
        }
        cache.unpin(key);
        if (transfer.isLoad() && bad) {
            cache.drop(key); // or it would be matched again
        }
    }

    /** Which of the transfer's chunks had a block that failed. */
    private boolean[] badChunks(Transfer transfer, int[] failed) {
        boolean[] bad = new boolean[transfer.chunks().size()];
        int blocks = transfer.copy() == null ? 0 : transfer.copy().blocks().length;
        int lead = bad.length * geometry.chunkBlocks() - blocks; // the first chunk may be loaded in part
        for (int position : failed) {
            bad[(position + lead) / geometry.chunkBlocks()] = true;
        }
        return bad;
    }

    /** Nobody waits for it any longer; it has effect once it ends. */
    private void giveUp(Transfer transfer) {
        for (BlockHash key : transfer.chunks()) {
            if (fillsHost(transfer)) {
                cache.hideUntilWritten(key, true);
            } else if (transfer.isLoad()) {
                cache.endLoad(key);
            }
        }
        if (transfer.isAsynchronousLoad()) {
            report.abandon(transfer.job());
        }
    }
}
