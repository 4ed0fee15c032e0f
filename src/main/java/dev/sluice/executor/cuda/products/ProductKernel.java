package dev.sluice.executor.cuda.products;

/**
 * One way to compute C[M, N] = A[M, K] * W[N, K]^T. All that a device has for operands and results of the same formats give a
 * row of A the same bits, so which of them is taken is a question of speed alone.
 */
interface ProductKernel {

    /** For the log. */
    String name();

    /** True if it serves so many rows, and may be the fastest. */
    boolean suits(int m);

    /**
     * Gives the product to the stream.
     *
     * @param c address of the result
     * @param a its first rows are multiplied
     * @param m rows
     */
    void launch(long c, DeviceMatrix a, DeviceMatrix w, int m);
}
