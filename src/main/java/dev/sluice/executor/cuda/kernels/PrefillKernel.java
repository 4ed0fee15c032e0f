package dev.sluice.executor.cuda.kernels;

import dev.sluice.executor.cuda.driver.CudaFunction;

/**
 * A kernel for prefill attention. All take the same pairs of positions and heads to a block.
 *
 * @param threads of a block
 * @param boxRows rows of the boxes of the map of keys and values that it takes; 0 takes their address
 */
public record PrefillKernel(CudaFunction function, int threads, int boxRows) {

    /** Pairs of position and head, of a block. */
    public static final int PAIRS = 128;

    private static final int WARP_THREADS = 256;
    private static final int WGMMA_THREADS = 384;
    private static final int WGMMA_BOX_ROWS = 16; // key/value blocks hold a multiple of them

    /** By products of one warp: paged_attention_prefill.cu. */
    static PrefillKernel ofOneWarp(CudaFunction function) {
        return new PrefillKernel(function, WARP_THREADS, 0);
    }

    /** By products of four warps: paged_attention_prefill_wgmma.cu. */
    static PrefillKernel ofFourWarps(CudaFunction function) {
        return new PrefillKernel(function, WGMMA_THREADS, WGMMA_BOX_ROWS);
    }

    public boolean takesMap() {
        return boxRows > 0;
    }
}
