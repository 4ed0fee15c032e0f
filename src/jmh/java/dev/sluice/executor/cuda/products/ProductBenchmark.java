package dev.sluice.executor.cuda.products;

import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.DeviceBuffer;
import dev.sluice.executor.cuda.driver.DeviceClock;
import dev.sluice.executor.cuda.driver.NativeLibrary;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.kernels.HalfType;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Matrix products in bf16, of the shapes of Llama-3.1-8B. */
public final class ProductBenchmark implements AutoCloseable {

    private static final int HIDDEN = 4096;
    private static final int INTERMEDIATE = 14336;
    private static final int QKV = 6144;
    private static final int COPIES_MIN = 3; // in turn, or the caches would answer: they hold 50 MB
    private static final int COPIES_MAX = 16;

    private final DeviceClock clock;
    private final CudaContext context;
    private final MatrixProducts products;
    private final boolean fusesGate;
    private final @Nullable CublasLt cublas;
    private final int scale;

    /** @param cublasLibrary where cuBLASLt lies; empty for the usual places */
    public ProductBenchmark(DeviceClock clock, CudaKernels kernels, Arena host, String cublasLibrary) {
        this.clock = clock;
        context = clock.stream().context();
        scale = clock.scale();
        products = new MatrixProducts(kernels, clock.stream(), host);
        fusesGate = CudaKernels.hasFusedGate(context.device());
        NativeLibrary library = CublasLt.find(cublasLibrary);
        cublas = library == null ? null : new CublasLt(library, clock.stream(), CublasLt.WORKSPACE_BYTES);
    }

    /** Operations a second of the largest product, whoever computes it: what prefill is held against. */
    public double matrixPeak() {
        int size = 8192 / scale;
        Product product = product(size, size, size, Epilogue.HALF);
        double rate = 2.0 * size * size * size / Math.min(product.ours, product.theirs);
        String whose = cublas == null
                ? "our own kernel: there is no cuBLASLt here, and no share of it says more than that"
                : (product.theirs <= product.ours ? "cuBLASLt" : "our own kernel, faster than cuBLASLt");
        System.out.printf(
                "ceiling: largest product %.0f TFLOP/s in bf16, by %s (ours %.0f)%n",
                rate / 1e12, whose, 2.0 * size * size * size / product.ours / 1e12);
        return rate;
    }

    /**
     * Seconds of a product.
     *
     * @param ours by the fastest kernel of ours
     * @param theirs by cuBLASLt; infinite without it
     */
    private record Product(double ours, String kernel, double theirs) {}

    private Product product(int m, int n, int k, Epilogue epilogue) {
        int copies = Math.clamp((256L << 20) / scale / (2L * n * k), COPIES_MIN, COPIES_MAX);
        List<DeviceBuffer> weights =
                Stream.generate(() -> clock.numbers((long) n * k)).limit(copies).toList();
        List<DeviceMatrix> matrices = weights.stream()
                .map(w -> new DeviceMatrix(w.address(), n, k, ElementFormat.HALF, 0))
                .toList();
        try (DeviceBuffer a = clock.numbers((long) m * k);
                DeviceBuffer c = DeviceBuffer.allocate(context, 2L * m * n)) {
            DeviceMatrix input = new DeviceMatrix(a.address(), m, k, ElementFormat.HALF, 0);
            double best = Double.MAX_VALUE;
            String name = "";
            for (TileProduct kernel : products.own(ElementFormat.HALF, epilogue)) {
                double seconds = kernel.suits(m) ? seconds(kernel, c, input, matrices, m) : Double.MAX_VALUE;
                name = seconds < best ? kernel.name() : name;
                best = Math.min(best, seconds);
            }
            CublasLt.Product library =
                    cublas == null || epilogue != Epilogue.HALF ? null : cublas.product(HalfType.BF16, false, m, n, k);
            double theirs = library == null
                    ? Double.POSITIVE_INFINITY
                    : seconds(new CublasProduct(library, m), c, input, matrices, m);
            return new Product(best, name, theirs);
        } finally {
            weights.forEach(DeviceBuffer::close);
        }
    }

    private double seconds(ProductKernel kernel, DeviceBuffer c, DeviceMatrix a, List<DeviceMatrix> weights, int m) {
        return clock.seconds(() -> weights.forEach(w -> kernel.launch(c.address(), a, w, m))) / weights.size();
    }

    /** The products of a layer, for few and many rows: against cuBLASLt if it is there, else against what the device can do. */
    public void products(double bandwidth, double peak) {
        int[][] shapes = {{QKV, HIDDEN}, {HIDDEN, HIDDEN}, {2 * INTERMEDIATE, HIDDEN}, {HIDDEN, INTERMEDIATE}};
        for (int m : new int[] {1, 16, 64, 512, 4096}) {
            for (int[] shape : shapes) {
                int n = shape[0] / scale;
                int k = shape[1] / scale;
                int rows = Math.max(1, m / scale);
                Product product = product(rows, n, k, Epilogue.HALF);
                double bytes = 2.0 * ((double) n * k + (double) rows * k + (double) rows * n);
                double operations = 2.0 * rows * n * k;
                double bound = Math.max(bytes / bandwidth, operations / peak);
                DeviceClock.report(
                        "product %d x %d x %d, %s".formatted(rows, n, k, product.kernel),
                        product.ours * 1e3,
                        "%.0f %% of the bound".formatted(100 * bound / product.ours),
                        cublas == null ? bound / product.ours : product.theirs / product.ours,
                        m <= 64 ? 1 : 0.9);
                if (shape[0] == 2 * INTERMEDIATE && fusesGate) {
                    Product gated = product(rows, n, k, Epilogue.SILU_MUL);
                    DeviceClock.report(
                            "the same with the gate, %s".formatted(gated.kernel),
                            gated.ours * 1e3,
                            "of our product",
                            product.ours / gated.ours,
                            Double.NaN);
                }
            }
        }
    }

    @Override
    public void close() {
        if (cublas != null) {
            cublas.close();
        }
    }
}
