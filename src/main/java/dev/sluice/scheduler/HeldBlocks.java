package dev.sluice.scheduler;

import dev.sluice.kv.BlockPool;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Blocks that no sequence holds any more, but that a load may still write: they stay out of use until the connector says
 * that the load is over.
 */
final class HeldBlocks {

    private final BlockPool pool;
    private final Map<Long, int[]> byJob = new LinkedHashMap<>();

    HeldBlocks(BlockPool pool) {
        this.pool = pool;
    }

    /** Takes the blocks of a sequence that does not wait for this load any more. */
    void hold(long job, int[] blocks) {
        byJob.put(job, blocks);
    }

    /** The load is over: its blocks are free. Of a job that nobody knows there are none, and nothing happens. */
    void release(long job) {
        int[] blocks = byJob.remove(job);
        if (blocks != null) {
            for (int i = blocks.length - 1; i >= 0; i--) {
                pool.release(blocks[i]);
            }
        }
    }

    boolean isEmpty() {
        return byJob.isEmpty();
    }

    /** Adds one to the count of each block that is held. */
    void count(int[] references) {
        for (int[] blocks : byJob.values()) {
            for (int block : blocks) {
                references[block]++;
            }
        }
    }
}
