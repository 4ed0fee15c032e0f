package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.CudaKernels.Products;
import java.lang.foreign.Arena;

/**
 * C[M, N] = A[M, K] * W[N, K]^T by the kernel that is made for the format of A and W and for so many rows; a row has the same
 * bits from each kernel of a format.
 */
final class MatrixProducts {

    private static final int SKINNY_COLUMNS = 32; // of a block
    private static final int SMALL_TILE = 64;
    private static final int LARGE_TILE = 128;
    private static final int LARGE_TILE_FROM = 256; // rows; below, small tiles keep more multiprocessors busy

    private final CudaKernels kernels;
    private final CudaStream stream;
    private final KernelArguments arguments;

    MatrixProducts(CudaKernels kernels, CudaStream stream, Arena arena) {
        this.kernels = kernels;
        this.stream = stream;
        arguments = new KernelArguments(arena);
    }

    /**
     * Results in 16 bits.
     *
     * @param c address of the result
     * @param a its first rows are multiplied
     */
    void run(long c, DeviceMatrix a, DeviceMatrix w, int rows) {
        launch(kernels.products(w.format()), c, a, w, rows);
    }

    /** Results in 32 bits, of operands of 16. */
    void logits(long c, DeviceMatrix a, DeviceMatrix w, int rows) {
        launch(kernels.logitProducts, c, a, w, rows);
    }

    private void launch(Products products, long c, DeviceMatrix a, DeviceMatrix w, int m) {
        if (a.format() != w.format() || a.columns() != w.columns()) {
            throw new IllegalArgumentException(a + " cannot be multiplied by " + w);
        }
        int n = w.rows();
        arguments.begin().add(c).add(a.address()).add(w.address());
        if (w.format().isScaled()) {
            arguments.add(a.scales()).add(w.scales());
        }
        arguments.add(m).add(n).add(w.columns());
        if (m <= 16) {
            CudaFunction kernel = m <= 8 ? products.skinny8() : products.skinny16();
            stream.launch(kernel, Math.ceilDiv(n, SKINNY_COLUMNS), 1, 1, 128, arguments);
        } else if (m < LARGE_TILE_FROM) {
            stream.launch(products.smallTile(), tiles(m, n, SMALL_TILE), 1, 1, 128, arguments);
        } else {
            stream.launch(products.largeTile(), tiles(m, n, LARGE_TILE), 1, 1, 256, arguments);
        }
    }

    private static int tiles(int m, int n, int size) {
        return Math.multiplyExact(Math.ceilDiv(m, size), Math.ceilDiv(n, size));
    }
}
