package dev.sluice.executor.cuda.step;

import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.DeviceBuffer;
import dev.sluice.executor.cuda.driver.DeviceClock;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.kernels.PrefillKernel;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Attention in bf16, with the heads of Llama-3.1-8B. */
public final class AttentionBenchmark {

    private static final int BLOCK_SIZE = 16;
    private static final CudaAttention.Shape SHAPE = new CudaAttention.Shape(1, 32, 8, 128, 0, BLOCK_SIZE);
    private static final int COPIES = 3; // in turn, or the caches would answer: they hold 50 MB

    private final DeviceClock clock;
    private final CudaStream stream;
    private final CudaContext context;
    private final CudaKernels kernels;
    private final PrefillKernel prefill;
    private final Arena host;
    private final int scale;

    public AttentionBenchmark(DeviceClock clock, CudaKernels kernels, Arena host) {
        this.clock = clock;
        this.kernels = kernels;
        this.host = host;
        stream = clock.stream();
        context = stream.context();
        scale = clock.scale();
        prefill = new AttentionChoice(kernels, stream, HalfType.BF16, SHAPE.headDim()).run();
    }

    /** One sequence of 32k positions, 32 query heads on 8 key heads. */
    public void decode(double bandwidth) {
        int length = 32768 / scale;
        try (AttentionInputs inputs = new AttentionInputs(length, 1)) {
            double seconds = inputs.seconds(
                    attention -> attention.decode(0, inputs.table(), inputs.length(), 1, length / BLOCK_SIZE));
            double bytes = 2.0 * inputs.elements;
            DeviceClock.report(
                    "decode attention, context %d, 4 heads on one".formatted(length),
                    seconds * 1e3,
                    "%.2f TB/s".formatted(bytes / seconds / 1e12),
                    bytes / seconds / bandwidth,
                    0.8);
        }
    }

    /** One prompt of 8k positions, of which each sees those before it. */
    public void prefill(double peak) {
        int length = 8192 / scale;
        try (AttentionInputs inputs = new AttentionInputs(length, length)) {
            double seconds = inputs.seconds(attention -> attention.prefill(
                    0, inputs.table(), inputs.starts(), inputs.length(), 1, length / BLOCK_SIZE, length));
            double operations = 2.0 * SHAPE.heads() * SHAPE.headDim() * length * length;
            DeviceClock.report(
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
            arenas =
                    Stream.generate(() -> clock.numbers(elements)).limit(COPIES).toList();
            int chunks = DecodeSplits.chunks(length, 0);
            DeviceBuffer queries = clock.numbers(rows * SHAPE.rowBytes() / 2);
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
            return clock.seconds(() -> attentions.forEach(work)) / attentions.size();
        }

        @Override
        public void close() {
            arenas.forEach(DeviceBuffer::close);
            others.forEach(DeviceBuffer::close);
        }
    }
}
