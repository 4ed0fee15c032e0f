package dev.sluice.executor.cuda.driver;

import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** A stream whose work is timed by the device itself, and operands for it. */
public final class DeviceClock {

    private static final int ROUNDS = 20;

    private final CudaStream stream;
    private final CudaEvent start;
    private final CudaEvent end;
    private final int scale;

    /** @param scale what sizes are divided by: 1, or more for the emulated GPU */
    public DeviceClock(CudaStream stream, int scale) {
        this.stream = stream;
        this.scale = scale;
        start = CudaEvent.create(stream.context(), true);
        end = CudaEvent.create(stream.context(), true);
    }

    public CudaStream stream() {
        return stream;
    }

    public int scale() {
        return scale;
    }

    /** Best of some rounds. */
    public double seconds(Runnable work) {
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

    /** Random bits that are small numbers in bf16: zeros would save power, and time. */
    public DeviceBuffer numbers(long count) {
        CudaContext context = stream.context();
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

    /**
     * Prints a line of the table.
     *
     * @param goal of the ratio; not a number if there is none
     */
    public static void report(String what, double millis, String figure, double ratio, double goal) {
        String held = Double.isNaN(goal) ? "" : "goal %.2f".formatted(goal);
        System.out.printf("| %-50s | %10.3f ms | %-18s | %5.2f | %-9s |%n", what, millis, figure, ratio, held);
    }
}
