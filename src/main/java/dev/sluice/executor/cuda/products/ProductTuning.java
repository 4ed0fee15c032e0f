package dev.sluice.executor.cuda.products;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.kernels.HalfType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Measures at start which kernel is the fastest for each matrix product of a model, for each bucket of rows, in the place and
 * with the weights that it will have.
 *
 * <p>A row must have the same bits whatever it is batched with. Our own kernels give them by construction; cuBLASLt takes
 * part where what it computes equals ours bit for bit in the first and last rows of this very product, with just so many
 * rows, and is left out of everything else.
 */
public final class ProductTuning {

    /**
     * A product of each layer.
     *
     * @param c address of the results
     * @param weights of the layers, all of one shape
     * @param epilogue what becomes of the sums
     */
    public record Use(long c, DeviceMatrix a, List<DeviceMatrix> weights, Epilogue epilogue) {

        DeviceMatrix shape() {
            return weights.getFirst();
        }

        /** Of the results. */
        long rowBytes() {
            return epilogue.rowBytes(shape().rows());
        }
    }

    private static final Logger log = LoggerFactory.getLogger(ProductTuning.class);
    private static final int ROUNDS = 3;
    private static final int LAYERS = 8; // in turn: the caches would hold the weights of one
    private static final int MANY_ROWS = 1024; // from which on a product outlasts what disturbs it
    private static final int COMPARED_ROWS = 128; // at both ends
    private static final long COMPARED_BYTES = 16 << 20;
    private static final int COMPARED_RESULTS = 1 << 17;
    private static final int LARGEST_EXPONENT = 8;
    private static final double CLEARLY_FASTER = 0.98; // of the time: else noise would choose

    private final MatrixProducts products;
    private final CudaStream stream;
    private final HalfType type;
    private final @Nullable CublasLt cublas;

    public ProductTuning(MatrixProducts products, CudaStream stream, HalfType type, @Nullable CublasLt cublas) {
        this.products = products;
        this.stream = stream;
        this.type = type;
        this.cublas = cublas;
    }

    /** Measures and chooses, for up to so many rows. */
    public void run(List<Use> uses) {
        CudaContext context = stream.context();
        try (CudaEvent start = CudaEvent.create(context, true);
                CudaEvent end = CudaEvent.create(context, true)) {
            for (Use use : uses) {
                fill(use.a);
                StringBuilder chosen = new StringBuilder();
                String before = "";
                for (int m : MatrixProducts.buckets(use.a.rows())) {
                    int rows = Math.min(m, use.a.rows());
                    String name = choose(use, m, rows, start, end);
                    if (!name.equals(before)) {
                        chosen.append(before.isEmpty() ? "" : ", ");
                        chosen.append("from ").append(rows).append(" rows ").append(name);
                    }
                    before = name;
                }
                DeviceMatrix shape = use.shape();
                String gate = use.epilogue == Epilogue.SILU_MUL ? " and the gate" : "";
                log.info("Products with {} x {} {}{}: {}", shape.rows(), shape.columns(), shape.format(), gate, chosen);
            }
        }
    }

    /** Measures one bucket; returns the name of what was chosen. */
    private String choose(Use use, int bucket, int m, CudaEvent start, CudaEvent end) {
        TileProduct best = products.byRule(use.shape(), m, use.epilogue);
        double least = seconds(best, use, m, start, end);
        for (TileProduct kernel : products.own(use.shape().format(), use.epilogue)) {
            double seconds = kernel.suits(m) ? seconds(kernel, use, m, start, end) : Double.MAX_VALUE;
            if (seconds < least * CLEARLY_FASTER) {
                best = kernel;
                least = seconds;
            }
        }
        ProductKernel library = library(use, m);
        if (library != null && seconds(library, use, m, start, end) >= least * CLEARLY_FASTER) {
            library = null;
        }
        products.choose(use.shape(), use.epilogue, bucket, best, library);
        return library == null ? best.name() : library.name();
    }

    private @Nullable ProductKernel library(Use use, int m) {
        DeviceMatrix w = use.shape();
        if (cublas == null || w.format() != ElementFormat.HALF || use.epilogue == Epilogue.SILU_MUL) {
            return null;
        }
        try {
            CublasLt.Product product = cublas.product(type, use.epilogue == Epilogue.FLOAT, m, w.rows(), w.columns());
            if (product == null) {
                return null;
            }
            CublasProduct kernel = new CublasProduct(product, m);
            return hasTheSameBits(kernel, use, m) ? kernel : null;
        } catch (ExecutorException e) {
            if (e.scope() == ExecutorException.Scope.DEVICE) {
                throw e;
            }
            log.warn("cuBLASLt is left out for {} rows: {}", m, e.getMessage());
            return null;
        }
    }

    /** Rounded to 16 bits, one result in thousands shows another order of additions: so many are compared. */
    private boolean hasTheSameBits(ProductKernel kernel, Use use, int m) {
        long rowBytes = use.rowBytes();
        long rows = Math.clamp(COMPARED_BYTES / rowBytes, 1, Math.min(m, COMPARED_ROWS));
        int layers =
                Math.clamp(Math.ceilDiv(COMPARED_RESULTS, rows * use.shape().rows()), 1, use.weights.size());
        try (PinnedBuffer ours = PinnedBuffer.allocate(stream.context(), 2 * rows * rowBytes);
                PinnedBuffer theirs = PinnedBuffer.allocate(stream.context(), 2 * rows * rowBytes)) {
            boolean same = true;
            for (int i = 0; i < layers && same; i++) {
                DeviceMatrix w = use.weights.get(i);
                compute(products.byRule(w, m, use.epilogue), use, w, m, ours.memory());
                compute(kernel, use, w, m, theirs.memory());
                stream.synchronize();
                same = ours.memory().mismatch(theirs.memory()) < 0;
            }
            return same;
        }
    }

    /** Leaves the first and the last rows of the result. */
    private void compute(ProductKernel kernel, Use use, DeviceMatrix w, int m, MemorySegment ends) {
        kernel.launch(use.c, use.a, w, m);
        long half = ends.byteSize() / 2;
        stream.toHost(use.c, ends.asSlice(0, half));
        stream.toHost(use.c + m * use.rowBytes() - half, ends.asSlice(half));
    }

    private double seconds(ProductKernel kernel, Use use, int m, CudaEvent start, CudaEvent end) {
        int layers = m < MANY_ROWS ? LAYERS : 1;
        kernel.launch(use.c, use.a, use.shape(), m);
        double least = Double.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            stream.record(start);
            for (int i = 0; i < layers; i++) {
                DeviceMatrix w = use.weights.get((i + round) % use.weights.size());
                kernel.launch(use.c, use.a, w, m);
            }
            stream.record(end);
            end.synchronize();
            least = Math.min(least, end.millisSince(start) / 1e3 / layers);
        }
        return least;
    }

    /** Numbers of either sign and very different size, as activations are; scales of one. Zeros would save power, and time. */
    private void fill(DeviceMatrix a) {
        long bytes = (long) a.rows() * a.columns() * a.format().bytes();
        long atOnce = Math.min(bytes, 4 << 20);
        try (PinnedBuffer pinned = PinnedBuffer.allocate(stream.context(), Math.max(atOnce, 4L * a.rows()))) {
            MemorySegment numbers = pinned.memory();
            SplittableRandom random = new SplittableRandom(1);
            for (long i = 0; i < atOnce / Short.BYTES; i++) {
                double value = random.nextDouble(-1, 1) * (1 << random.nextInt(LARGEST_EXPONENT));
                short bits = a.format() == ElementFormat.HALF
                        ? type.of((float) value)
                        : (short) (random.nextInt() & 0xbfbf); // in e4m3 the magnitude is at most 1.875
                numbers.setAtIndex(ValueLayout.JAVA_SHORT, i, bits);
            }
            for (long at = 0; at < bytes; at += atOnce) {
                stream.toDevice(numbers.asSlice(0, Math.min(atOnce, bytes - at)), a.address() + at);
            }
            stream.synchronize();
            if (a.format().isScaled()) {
                for (int i = 0; i < a.rows(); i++) {
                    numbers.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1);
                }
                stream.toDevice(numbers.asSlice(0, 4L * a.rows()), a.scales());
                stream.synchronize();
            }
        }
    }
}
