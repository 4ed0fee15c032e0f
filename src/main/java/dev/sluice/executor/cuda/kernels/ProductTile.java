package dev.sluice.executor.cuda.kernels;

import java.util.List;

/**
 * A kernel for matrix products, as gemm.cu, gemm_skinny.cu and gemm_wgmma.cu describe it.
 *
 * @param name in the kernel's name
 * @param rows of the results that a block computes at a time; columns likewise
 * @param rowsMin fewest rows that it is worth trying for, or serves; {@code rowsMax} the most
 * @param blocksTogether blocks on a multiprocessor of a kernel that takes tile after tile; 0 if a block takes one
 * @param cluster blocks that take neighbouring tiles together, and of which there must be a multiple
 */
public record ProductTile(
        String name,
        int rows,
        int columns,
        int rowsMin,
        int rowsMax,
        int threads,
        int sharedBytes,
        int blocksTogether,
        int cluster) {

    private static final int ANY = Integer.MAX_VALUE;

    /** Of gemm_skinny.cu. */
    static final List<ProductTile> SKINNY = List.of(
            new ProductTile("skinny8", 8, 32, 1, 8, 128, 65_536, 0),
            new ProductTile("skinny16", 16, 32, 9, 16, 128, 65_536, 0));

    /** Of gemm.cu. */
    static final List<ProductTile> TILED = List.of(
            new ProductTile("64x64", 64, 64, 17, ANY, 128, 32_768, 0),
            new ProductTile("128x128", 128, 128, 65, ANY, 256, 65_536, 0));

    private static final ProductTile WGMMA_8X32 = new ProductTile("wgmma_8x32", 8, 32, 1, 8, 160, 112_992, 2);
    private static final ProductTile WGMMA_64X32 = new ProductTile("wgmma_64x32", 64, 32, 1, 1024, 160, 98_432, 2);
    private static final ProductTile WGMMA_64X64 = new ProductTile("wgmma_64x64", 64, 64, 1, 2048, 160, 98_432, 2);
    private static final ProductTile WGMMA_64X128 = new ProductTile("wgmma_64x128", 64, 128, 1, ANY, 160, 98_432, 2);
    private static final ProductTile WGMMA_128X128_PAIR =
            new ProductTile("wgmma_128x128_pair", 128, 128, 65, ANY, 288, 196_704, 1, 2);

    /** Of gemm_wgmma.cu and gemm_wgmma_int8.cu. Pairs are last: they serve only where they were measured to be faster. */
    public static final List<ProductTile> WGMMA = List.of(
            WGMMA_8X32,
            WGMMA_64X32,
            WGMMA_64X64,
            WGMMA_64X128,
            new ProductTile("wgmma_128x128", 128, 128, 65, ANY, 288, 98_432, 2),
            new ProductTile("wgmma_128x128_deep", 128, 128, 65, ANY, 288, 196_704, 1),
            new ProductTile("wgmma_128x192", 128, 192, 65, ANY, 288, 204_880, 1),
            new ProductTile("wgmma_128x256", 128, 256, 65, ANY, 288, 196_672, 1),
            WGMMA_128X128_PAIR,
            new ProductTile("wgmma_128x192_pair", 128, 192, 65, ANY, 288, 204_880, 1, 2),
            new ProductTile("wgmma_128x256_pair", 128, 256, 65, ANY, 288, 196_672, 1, 2));

    /** Of gemm_wgmma_fp8.cu: two blocks of 128 x 128 would not fit the registers. */
    public static final List<ProductTile> WGMMA_FP8 = List.of(
            WGMMA_8X32,
            WGMMA_64X32,
            WGMMA_64X64,
            WGMMA_64X128,
            new ProductTile("wgmma_128x128", 128, 128, 65, ANY, 288, 196_704, 1),
            WGMMA_128X128_PAIR);

    /** Whose blocks take their tiles alone. */
    private ProductTile(
            String name,
            int rows,
            int columns,
            int rowsMin,
            int rowsMax,
            int threads,
            int sharedBytes,
            int blocksTogether) {
        this(name, rows, columns, rowsMin, rowsMax, threads, sharedBytes, blocksTogether, 1);
    }

    public boolean suits(int m) {
        return m >= rowsMin && m <= rowsMax;
    }

    public int tiles(int m, int n) {
        return Math.multiplyExact(Math.ceilDiv(m, rows), Math.ceilDiv(n, columns));
    }

    /** The grid of a kernel for this product: a block for each tile, or as many as run at a time if that is less. */
    public int blocks(int m, int n, int multiprocessors) {
        if (blocksTogether == 0) {
            return tiles(m, n);
        }
        int clusters = Math.multiplyExact(Math.ceilDiv(m, rows), Math.ceilDiv(n, columns * cluster));
        return cluster * Math.clamp(blocksTogether * multiprocessors / cluster, 1, clusters);
    }

    public int area() {
        return rows * columns;
    }
}
