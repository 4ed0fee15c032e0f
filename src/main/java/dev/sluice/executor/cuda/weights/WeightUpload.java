package dev.sluice.executor.cuda.weights;

import dev.sluice.executor.cuda.driver.ByteSize;
import dev.sluice.executor.cuda.driver.CudaContext;
import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.executor.cuda.driver.CudaHandle;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.executor.cuda.kernels.HalfType;
import dev.sluice.executor.cuda.weights.WeightTable.Part;
import dev.sluice.model.WeightMap;
import dev.sluice.runtime.Clock;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings weights from their files to the device, through two pinned buffers in turn: one is filled, by all cores, while the
 * other is on its way. What is stored in another format than the device's is converted.
 */
public final class WeightUpload {

    private static final Logger log = LoggerFactory.getLogger(WeightUpload.class);
    private static final int BUFFER_BYTES = 32 << 20;
    private static final int REPORTS = 4;

    private final CudaStream stream;
    private final WeightMap weights;
    private final HalfType type;
    private final Clock clock;

    public WeightUpload(CudaStream stream, WeightMap weights, HalfType type, Clock clock) {
        this.stream = stream;
        this.weights = weights;
        this.type = type;
        this.clock = clock;
    }

    /** Uploads every part, and waits for the last. */
    public void run(WeightTable table) {
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
                WeightRows rows = new WeightRows(part, weights, type);
                int chunk = (int) (buffers[0].memory().byteSize() / (part.rowBytes() + part.scaleBytes()));
                for (int from = 0; from < part.rows(); from += chunk, number++) {
                    int count = Math.min(chunk, part.rows() - from);
                    free[number % 2].synchronize();
                    done += send(part, rows, from, count, buffers[number % 2].memory());
                    stream.record(free[number % 2]);
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

    /** Rows, and their scales behind them. Returns the number of bytes. */
    private long send(Part part, WeightRows rows, int from, int count, MemorySegment buffer) {
        MemorySegment elements = buffer.asSlice(0, count * part.rowBytes());
        MemorySegment scales = buffer.asSlice(elements.byteSize(), (long) count * part.scaleBytes());
        rows.write(from, count, elements, scales);
        stream.toDevice(elements, part.address() + from * part.rowBytes());
        if (part.format().isScaled()) {
            stream.toDevice(scales, part.scales() + (long) from * part.scaleBytes());
        }
        return elements.byteSize() + scales.byteSize();
    }

    private static String size(long bytes) {
        return ByteSize.text(bytes);
    }

    private static void close(@Nullable CudaHandle handle) {
        if (handle != null) {
            handle.close();
        }
    }
}
