package dev.sluice.offload;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Chunks on their way between a tier and the faster one before it, from the beginning to the end that is reported. */
public final class Transfer {

    private final long job;
    private final Tier tier;
    private final boolean load;
    private final List<BlockHash> chunks;
    private final @Nullable BlockTransfer copy;
    final long startedNanos;
    final int generation;
    boolean overdue;
    boolean awaited; // by a step that writes the blocks it reads

    Transfer(
            long job,
            Tier tier,
            boolean load,
            List<BlockHash> chunks,
            @Nullable BlockTransfer copy,
            long startedNanos,
            int generation) {
        this.job = job;
        this.tier = tier;
        this.load = load;
        this.chunks = chunks;
        this.copy = copy;
        this.startedNanos = startedNanos;
        this.generation = generation;
    }

    public long job() {
        return job;
    }

    /** The slower one of its two tiers. */
    public Tier tier() {
        return tier;
    }

    /** True if it leads to the faster tier. */
    public boolean isLoad() {
        return load;
    }

    public List<BlockHash> chunks() {
        return chunks;
    }

    /** What the executor copies; null between two tiers that are both beyond the device. */
    public @Nullable BlockTransfer copy() {
        return copy;
    }

    /** True if it was given up, and has counted as failed: nobody waits for it any more. */
    public boolean isOverdue() {
        return overdue;
    }

    /** True if a request waits for it outside of the batch. */
    public boolean isAsynchronousLoad() {
        return load && copy != null && !copy.beforeStep();
    }

    boolean readsDevice() {
        return !load && copy != null;
    }

    int[] blocks() {
        return copy == null ? new int[0] : copy.blocks();
    }

    boolean touches(int block) {
        for (int candidate : blocks()) {
            if (candidate == block) {
                return true;
            }
        }
        return false;
    }
}
