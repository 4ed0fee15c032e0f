package dev.sluice.executor.cuda;

import dev.sluice.executor.cuda.WeightTable.Part;
import dev.sluice.model.DataType;
import dev.sluice.model.Tensor;
import dev.sluice.model.WeightMap;
import dev.sluice.runtime.Clock;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings weights from their files to the device, through two pinned buffers in turn: one is filled, by all cores, while the
 * other is on its way. What is stored in another format than the device's is converted; int8 is multiplied by its scales.
 */
final class WeightUpload {

    private static final Logger log = LoggerFactory.getLogger(WeightUpload.class);
    private static final int BUFFER_BYTES = 32 << 20;
    private static final int SHARE = 1 << 19; // numbers that one core fills at a time
    private static final int REPORTS = 4;
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final CudaStream stream;
    private final WeightMap weights;
    private final HalfType type;
    private final Clock clock;

    WeightUpload(CudaStream stream, WeightMap weights, HalfType type, Clock clock) {
        this.stream = stream;
        this.weights = weights;
        this.type = type;
        this.clock = clock;
    }

    /** Uploads every part, and waits for the last. */
    void run(WeightTable table) {
        long start = clock.monotonicNanos();
        long done = 0;
        int reported = 0;
        CudaContext context = stream.context();
        int number = 0;
        PinnedBuffer[] buffers = new PinnedBuffer[2];
        CudaEvent[] free = new CudaEvent[2];
        try {
            for (int i = 0; i < buffers.length; i++) {
                int bytes = (int) Math.min(BUFFER_BYTES, table.bytes());
                buffers[i] = PinnedBuffer.allocate(context, bytes);
                free[i] = CudaEvent.create(context, false);
            }
            for (Part part : table.parts()) {
                Tensor tensor = weights.require(part.name(), part.shape());
                float[] scales = scales(tensor);
                long chunk = buffers[0].memory().byteSize() / Short.BYTES;
                for (long from = 0; from < part.elements(); from += chunk, number++) {
                    int count = (int) Math.min(chunk, part.elements() - from);
                    free[number % 2].synchronize();
                    MemorySegment filled = buffers[number % 2].memory().asSlice(0, (long) count * Short.BYTES);
                    fill(filled, tensor, scales, from, count);
                    stream.toDevice(filled, part.address() + from * Short.BYTES);
                    stream.record(free[number % 2]);
                    done += filled.byteSize();
                    if (done * REPORTS / table.bytes() > reported && done < table.bytes()) {
                        reported++;
                        log.info("{} of {} of weights are on the device", size(done), size(table.bytes()));
                    }
                }
            }
            stream.synchronize();
        } finally {
            for (int i = 0; i < buffers.length; i++) {
                close(buffers[i]);
                close(free[i]);
            }
        }
        double seconds = Math.max(1, clock.monotonicNanos() - start) / 1e9;
        log.info("{} of weights on the device after {} s: {}/s", size(done), String.format("%.1f", seconds), size((long)
                (done / seconds)));
    }

    private static String size(long bytes) {
        return MemoryPlan.size(bytes);
    }

    private static void close(@Nullable CudaHandle handle) {
        if (handle != null) {
            handle.close();
        }
    }

    private void fill(MemorySegment target, Tensor tensor, float @Nullable [] scales, long from, int count) {
        int shares = Math.ceilDiv(count, SHARE);
        IntStream.range(0, shares).parallel().forEach(share -> {
            long first = (long) share * SHARE;
            int size = (int) Math.min(SHARE, count - first);
            MemorySegment part = target.asSlice(first * Short.BYTES, (long) size * Short.BYTES);
            if (tensor.type() == type.stored()) {
                part.copyFrom(tensor.data().asSlice((from + first) * Short.BYTES, part.byteSize()));
            } else {
                convert(part, tensor, scales, from + first, size);
            }
        });
    }

    private void convert(MemorySegment target, Tensor tensor, float @Nullable [] scales, long from, int count) {
        long columns = tensor.shape()[tensor.shape().length - 1];
        for (int i = 0; i < count; i++) {
            float value = number(tensor, from + i);
            if (scales != null) {
                value *= scales[(int) ((from + i) / columns)];
            }
            target.setAtIndex(ValueLayout.JAVA_SHORT, i, type.of(value));
        }
    }

    private static float number(Tensor tensor, long index) {
        MemorySegment data = tensor.data();
        return switch (tensor.type()) {
            case F32 -> data.get(FLOAT, 4 * index);
            case F16 -> Float.float16ToFloat(data.get(SHORT, 2 * index));
            case BF16 -> Float.intBitsToFloat(data.get(SHORT, 2 * index) << 16);
            case I8 -> data.get(ValueLayout.JAVA_BYTE, index);
        };
    }

    /** One scale per row of an int8 matrix; null for other tensors. */
    private float @Nullable [] scales(Tensor tensor) {
        if (tensor.type() != DataType.I8) {
            return null;
        }
        int rows = Math.toIntExact(tensor.shape()[0]);
        Tensor stored = weights.require(tensor.name() + "_scale", rows, 1);
        float[] scales = new float[rows];
        for (int i = 0; i < rows; i++) {
            scales[i] = number(stored, i);
        }
        return scales;
    }
}
