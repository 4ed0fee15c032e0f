package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.driver.ByteSize;
import dev.sluice.kv.KvLayout;

/**
 * How the device's memory is shared out, in bytes.
 *
 * @param total of the device
 * @param free of it, before anything was taken
 * @param utilization share of the total that may be in use in the end, by others too
 * @param weights of the model
 * @param workspace what lies between the kernels of a pass
 * @param library what cuBLASLt works with; 0 without it
 * @param block one key/value block
 */
record MemoryPlan(long total, long free, double utilization, long weights, long workspace, long library, long block) {

    private static final int BLOCKS_MAX = 1 << 24;
    private static final int BLOCKS_MIN = 2; // one of them is the null block

    /**
     * The blocks to allocate.
     *
     * @param asked usable blocks; 0 is as many as there is room for
     * @throws IllegalArgumentException with the arithmetic, if they do not fit
     */
    KvLayout layout(int asked, int blockSize) {
        if (asked > 0) {
            long needed = weights + workspace + library + block * (asked + 1L);
            if (needed > free) {
                throw new IllegalArgumentException(String.format(
                        "sluice.kv.blocks asks for %d blocks of %d bytes; with %s of weights and %s of workspace that is"
                                + " %s, but only %s of the device's %s are free",
                        asked,
                        block,
                        ByteSize.text(weights),
                        ByteSize.text(workspace + library),
                        ByteSize.text(needed),
                        ByteSize.text(free),
                        ByteSize.text(total)));
            }
            return new KvLayout(asked + 1, blockSize);
        }
        long others = total - free;
        long budget = (long) (total * utilization) - others;
        long blocks = (budget - weights - workspace - library) / block;
        if (blocks < BLOCKS_MIN) {
            throw new IllegalArgumentException(String.format(
                    "the model does not fit the device: %s of weights, %s of workspace and at least %d key/value blocks of"
                            + " %d bytes are needed, but sluice.kv.gpu-memory-utilization of %s leaves %s of the"
                            + " device's %s, of which others use %s",
                    ByteSize.text(weights),
                    ByteSize.text(workspace + library),
                    BLOCKS_MIN,
                    block,
                    utilization,
                    ByteSize.text(Math.max(0, budget)),
                    ByteSize.text(total),
                    ByteSize.text(others)));
        }
        return new KvLayout((int) Math.min(blocks, BLOCKS_MAX), blockSize);
    }
}
