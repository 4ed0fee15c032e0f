package dev.sluice.offload;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Chunks on their way between a tier and the faster one before it, from the beginning to the end that is reported.
 *
 * @param tier the slower one of the two
 * @param isLoad true if it leads to the faster one
 * @param copy what the executor copies; null between two tiers that are both beyond the device
 * @param isOverdue it was given up, and has counted as failed: nobody waits for it any more
 * @param isAwaited a step that writes the blocks it reads waits for it
 */
public record Transfer(
        long job,
        Tier tier,
        boolean isLoad,
        List<BlockHash> chunks,
        @Nullable BlockTransfer copy,
        long startedNanos,
        int generation,
        boolean isOverdue,
        boolean isAwaited) {

    Transfer overdue() {
        return new Transfer(job, tier, isLoad, chunks, copy, startedNanos, generation, true, isAwaited);
    }

    Transfer awaited() {
        return new Transfer(job, tier, isLoad, chunks, copy, startedNanos, generation, isOverdue, true);
    }

    /** True if a request waits for it outside of the batch. */
    public boolean isAsynchronousLoad() {
        return isLoad && copy != null && !copy.beforeStep();
    }

    boolean readsDevice() {
        return !isLoad && copy != null;
    }

    int[] blocks() {
        return copy == null ? new int[0] : copy.blocks();
    }
}
