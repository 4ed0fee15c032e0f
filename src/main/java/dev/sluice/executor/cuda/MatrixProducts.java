package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.CudaKernels.Products;
import java.lang.foreign.Arena;

/** C[M, N] = A[M, K] * W[N, K]^T by the kernel that is made for so many rows; a row has the same bits from each of them. */
final class MatrixProducts {

    private static final int SKINNY_COLUMNS = 32; // of a block
    private static final int SMALL_TILE = 64;
    private static final int LARGE_TILE = 128;
    private static final int LARGE_TILE_FROM = 256; // rows; below, small tiles keep more multiprocessors busy

    private final CudaStream stream;
    private final KernelArguments arguments;

    MatrixProducts(CudaStream stream, Arena arena) {
        this.stream = stream;
        arguments = new KernelArguments(arena);
    }

    /** @param c address of the result; likewise a and w of the operands */
    void run(Products kernels, long c, long a, long w, int m, int n, int k) {
        arguments.begin().add(c).add(a).add(w).add(m).add(n).add(k);
        if (m <= 16) {
            CudaFunction kernel = m <= 8 ? kernels.skinny8() : kernels.skinny16();
            stream.launch(kernel, Math.ceilDiv(n, SKINNY_COLUMNS), 1, 1, 128, arguments);
        } else if (m < LARGE_TILE_FROM) {
            stream.launch(kernels.smallTile(), tiles(m, n, SMALL_TILE), 1, 1, 128, arguments);
        } else {
            stream.launch(kernels.largeTile(), tiles(m, n, LARGE_TILE), 1, 1, 256, arguments);
        }
    }

    private static int tiles(int m, int n, int size) {
        return Math.multiplyExact(Math.ceilDiv(m, size), Math.ceilDiv(n, size));
    }
}
