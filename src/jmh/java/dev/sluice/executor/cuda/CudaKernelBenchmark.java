package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.DeviceBuffer;
import dev.sluice.executor.cuda.driver.NativeLibrary;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.ElementFormat;
import dev.sluice.executor.cuda.kernels.Epilogue;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.kernels.PrefillKernel;
import dev.sluice.executor.cuda.products.CublasLt;
import dev.sluice.executor.cuda.products.CublasProduct;
import dev.sluice.executor.cuda.products.DeviceMatrix;
import dev.sluice.executor.cuda.products.MatrixProducts;
import dev.sluice.executor.cuda.products.ProductKernel;
import dev.sluice.executor.cuda.products.TileProduct;
import dev.sluice.executor.cuda.step.AttentionChoice;
import dev.sluice.executor.cuda.step.CudaAttention;
import dev.sluice.executor.cuda.step.DecodeSplits;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Ceilings of the device, and the kernels that are measured alone. */
final class CudaKernelBenchmark implements AutoCloseable {

    private static final int ROUNDS = 20;
    private static final int HIDDEN = 4096;
    private static final int INTERMEDIATE = 14336;
    private static final int QKV = 6144;
    private static final int BLOCK_SIZE = 16;
    private static final CudaAttention.Shape SHAPE = new CudaAttention.Shape(1, 32, 8, 128, 0, BLOCK_SIZE);
    private static final int COPIES_MIN = 3; // in turn, or the caches would answer: they hold 50 MB
    private static final int COPIES_MAX = 16;

    private final CudaContext context;
    private final CudaStream stream;
    private final CudaKernels kernels;
    private final CudaEvent start;
    private final CudaEvent end;
    private final Arena host = Arena.ofShared();
    private final MatrixProducts products;
    private final PrefillKernel prefill;
    private final @Nullable CublasLt cublas;
    private final int scale;

    /** @param tiny sizes for the emulated GPU */
    CudaKernelBenchmark(TestGpu gpu, boolean tiny) {
        scale = tiny ? 64 : 1;
        context = gpu.context();
        stream = CudaStream.create(context, 0);
        kernels = new CudaKernels(context, gpu.images(), HalfType.BF16, 128, ElementFormat.HALF);
        products = new MatrixProducts(kernels, stream, host);
        prefill = new AttentionChoice(kernels, stream, HalfType.BF16, SHAPE.headDim()).run();
        NativeLibrary library = CublasLt.find(TestGpu.cublasLibrary());
        cublas = library == null ? null : new CublasLt(library, stream, CublasLt.WORKSPACE_BYTES);
        start = CudaEvent.create(context, true);
        end = CudaEvent.create(context, true);
    }

    /** Best of some rounds, in seconds. */
    private double seconds(Runnable work) {
        work.run();
        double best = Double.MAX_VALUE;
        for (int i = 0; i < (scale > 1 ? 1 : ROUNDS); i++) {
            stream.record(start);
            work.run();
            stream.record(end);
            end.synchronize();
            best = Math.min(best, end.millisSince(start) / 1e3);
        }
        return best;
    }

    /** Random bits that are small numbers: zeros would save power, and time. */
    private DeviceBuffer numbers(long count) {
        DeviceBuffer buffer = DeviceBuffer.allocate(context, 2 * count);
        try (PinnedBuffer pinned = PinnedBuffer.allocate(context, Math.min(2 * count, 64 << 20))) {
            long shorts = pinned.memory().byteSize() / 2;
            SplittableRandom random = new SplittableRandom(1);
            for (long i = 0; i < shorts; i++) {
                int bits = random.nextInt();
                pinned.memory()
                        .setAtIndex(ValueLayout.JAVA_SHORT, i, (short) ((bits & 0x8000) | 0x3c80 | (bits & 0x7f)));
            }
            for (long at = 0; at < 2 * count; at += pinned.memory().byteSize()) {
                long bytes = Math.min(pinned.memory().byteSize(), 2 * count - at);
                stream.toDevice(pinned.memory().asSlice(0, bytes), buffer.address(at, bytes));
            }
            stream.synchronize();
        }
        return buffer;
    }

    /** Bytes read plus bytes written, a second. */
    double copyBandwidth() {
        long bytes = (2L << 30) / scale / scale;
        try (DeviceBuffer from = numbers(bytes / 2);
                DeviceBuffer to = DeviceBuffer.allocate(context, bytes)) {
            double rate = 2 * bytes / seconds(() -> stream.onDevice(from.address(), to.address(), bytes));
            System.out.printf("ceiling: copy on the device %.2f TB/s read plus written%n", rate / 1e12);
            return rate;
        }
    }

    /** Bytes a second of one plain copy from pinned memory. */
    double pinnedRate() {
        long bytes = (1L << 30) / scale / scale;
        try (PinnedBuffer from = PinnedBuffer.allocate(context, bytes);
                DeviceBuffer to = DeviceBuffer.allocate(context, bytes)) {
            double rate = bytes / seconds(() -> stream.toDevice(from.memory(), to.address()));
            System.out.printf("ceiling: copy from pinned memory %.1f GB/s%n", rate / 1e9);
            return rate;
        }
    }

    /** Operations a second of the largest product, whoever computes it: what prefill is held against. */
    double matrixPeak() {
        int size = 8192 / scale;
        Product product = product(size, size, size);
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

    private Product product(int m, int n, int k) {
        int copies = Math.clamp((256L << 20) / scale / (2L * n * k), COPIES_MIN, COPIES_MAX);
        List<DeviceBuffer> weights =
                Stream.generate(() -> numbers((long) n * k)).limit(copies).toList();
        List<DeviceMatrix> matrices = weights.stream()
                .map(w -> new DeviceMatrix(w.address(), n, k, ElementFormat.HALF, 0))
                .toList();
        try (DeviceBuffer a = numbers((long) m * k);
                DeviceBuffer c = DeviceBuffer.allocate(context, 2L * m * n)) {
            DeviceMatrix input = new DeviceMatrix(a.address(), m, k, ElementFormat.HALF, 0);
            double best = Double.MAX_VALUE;
            String name = "";
            for (TileProduct kernel : products.own(ElementFormat.HALF, Epilogue.HALF)) {
                double seconds = kernel.suits(m) ? seconds(kernel, c, input, matrices, m) : Double.MAX_VALUE;
                name = seconds < best ? kernel.name() : name;
                best = Math.min(best, seconds);
            }
            CublasLt.Product library = cublas == null ? null : cublas.product(HalfType.BF16, false, m, n, k);
            double theirs = library == null
                    ? Double.POSITIVE_INFINITY
                    : seconds(new CublasProduct(library, m), c, input, matrices, m);
            return new Product(best, name, theirs);
        } finally {
            weights.forEach(DeviceBuffer::close);
        }
    }

    private double seconds(ProductKernel kernel, DeviceBuffer c, DeviceMatrix a, List<DeviceMatrix> weights, int m) {
        return seconds(() -> weights.forEach(w -> kernel.launch(c.address(), a, w, m))) / weights.size();
    }

    /** The products of a layer, for few and many rows: against cuBLASLt if it is there, else against what the device can do. */
    void products(double bandwidth, double peak) {
        int[][] shapes = {{QKV, HIDDEN}, {HIDDEN, HIDDEN}, {2 * INTERMEDIATE, HIDDEN}, {HIDDEN, INTERMEDIATE}};
        for (int m : new int[] {1, 16, 64, 512, 4096}) {
            for (int[] shape : shapes) {
                int n = shape[0] / scale;
                int k = shape[1] / scale;
                int rows = Math.max(1, m / scale);
                Product product = product(rows, n, k);
                double bytes = 2.0 * ((double) n * k + (double) rows * k + (double) rows * n);
                double operations = 2.0 * rows * n * k;
                double bound = Math.max(bytes / bandwidth, operations / peak);
                CudaBenchmark.report(
                        "product %d x %d x %d, %s".formatted(rows, n, k, product.kernel),
                        product.ours * 1e3,
                        "%.0f %% of the bound".formatted(100 * bound / product.ours),
                        cublas == null ? bound / product.ours : product.theirs / product.ours,
                        m <= 64 ? 1 : 0.9);
            }
        }
    }

    /** One sequence of 32k positions, 32 query heads on 8 key heads. */
    void decodeAttention(double bandwidth) {
        int length = 32768 / scale;
        try (AttentionInputs inputs = new AttentionInputs(length, 1)) {
            double seconds = inputs.seconds(
                    attention -> attention.decode(0, inputs.table(), inputs.length(), 1, length / BLOCK_SIZE));
            double bytes = 2.0 * inputs.elements;
            CudaBenchmark.report(
                    "decode attention, context %d, 4 heads on one".formatted(length),
                    seconds * 1e3,
                    "%.2f TB/s".formatted(bytes / seconds / 1e12),
                    bytes / seconds / bandwidth,
                    0.8);
        }
    }

    /** One prompt of 8k positions, of which each sees those before it. */
    void prefillAttention(double peak) {
        int length = 8192 / scale;
        try (AttentionInputs inputs = new AttentionInputs(length, length)) {
            double seconds = inputs.seconds(attention -> attention.prefill(
                    0, inputs.table(), inputs.starts(), inputs.length(), 1, length / BLOCK_SIZE, length));
            double operations = 2.0 * SHAPE.heads() * SHAPE.headDim() * length * length;
            CudaBenchmark.report(
                    "prefill attention, %d positions, 4 heads on one".formatted(length),
                    seconds * 1e3,
                    "%.0f TFLOP/s".formatted(operations / seconds / 1e12),
                    operations / seconds / peak,
                    Double.NaN);
        }
    }

    /** Keys and values of one sequence, some times over, and the rest that attention reads and writes. */
    private final class AttentionInputs implements AutoCloseable {

        private final List<DeviceBuffer> arenas;
        private final List<DeviceBuffer> others;
        private final List<CudaAttention> attentions;
        private final DeviceBuffer numbers;
        private final int blocks;
        final long elements;

        AttentionInputs(int length, int rows) {
            blocks = length / BLOCK_SIZE;
            elements = 2L * SHAPE.kvHeads() * length * SHAPE.headDim();
            arenas = Stream.generate(() -> numbers(elements)).limit(COPIES_MIN).toList();
            int chunks = DecodeSplits.chunks(length, 0);
            DeviceBuffer queries = numbers(rows * SHAPE.rowBytes() / 2);
            DeviceBuffer out = DeviceBuffer.allocate(context, rows * SHAPE.rowBytes());
            DeviceBuffer partial = DeviceBuffer.allocate(context, SHAPE.partialBytes(chunks));
            DeviceBuffer stats = DeviceBuffer.allocate(context, 8L * SHAPE.heads() * chunks);
            numbers = DeviceBuffer.allocate(context, 4L * blocks + 12);
            others = List.of(queries, out, partial, stats, numbers);
            try (PinnedBuffer pinned = PinnedBuffer.allocate(context, numbers.bytes())) {
                for (int i = 0; i < blocks; i++) {
                    pinned.memory().setAtIndex(ValueLayout.JAVA_INT, i, i);
                }
                pinned.memory().setAtIndex(ValueLayout.JAVA_INT, blocks, length);
                pinned.memory().setAtIndex(ValueLayout.JAVA_INT, blocks + 1, 0);
                pinned.memory().setAtIndex(ValueLayout.JAVA_INT, blocks + 2, rows);
                stream.toDevice(pinned.memory(), numbers.address());
                stream.synchronize();
            }
            attentions = arenas.stream()
                    .map(arena -> new CudaAttention.Operands(
                            out.address(),
                            queries.address(),
                            arena.address(),
                            blocks,
                            partial.address(),
                            stats.address(),
                            chunks))
                    .map(operands -> new CudaAttention(SHAPE, operands, kernels, prefill, stream, host))
                    .toList();
        }

        long table() {
            return numbers.address();
        }

        long length() {
            return numbers.address() + 4L * blocks;
        }

        /** Of the first row of the sequence, and of the one after its last. */
        long starts() {
            return numbers.address() + 4L * blocks + 4;
        }

        double seconds(Consumer<CudaAttention> work) {
            return CudaKernelBenchmark.this.seconds(() -> attentions.forEach(work)) / attentions.size();
        }

        @Override
        public void close() {
            arenas.forEach(DeviceBuffer::close);
            others.forEach(DeviceBuffer::close);
        }
    }

    @Override
    public void close() {
        if (cublas != null) {
            cublas.close();
        }
        context.close();
        host.close();
    }
}
