package dev.sluice.executor.cuda.driver;

/** How fast the device copies: ceilings for what is bound by bytes. */
public final class CopyBenchmark {

    private final DeviceClock clock;

    public CopyBenchmark(DeviceClock clock) {
        this.clock = clock;
    }

    /** Bytes read plus bytes written, a second. */
    public double bandwidth() {
        CudaStream stream = clock.stream();
        long bytes = (2L << 30) / clock.scale() / clock.scale();
        try (DeviceBuffer from = clock.numbers(bytes / 2);
                DeviceBuffer to = DeviceBuffer.allocate(stream.context(), bytes)) {
            double rate = 2 * bytes / clock.seconds(() -> stream.onDevice(from.address(), to.address(), bytes));
            System.out.printf("ceiling: copy on the device %.2f TB/s read plus written%n", rate / 1e12);
            return rate;
        }
    }

    /** Bytes a second of one plain copy from pinned memory. */
    public double pinnedRate() {
        CudaStream stream = clock.stream();
        long bytes = (1L << 30) / clock.scale() / clock.scale();
        try (PinnedBuffer from = PinnedBuffer.allocate(stream.context(), bytes);
                DeviceBuffer to = DeviceBuffer.allocate(stream.context(), bytes)) {
            double rate = bytes / clock.seconds(() -> stream.toDevice(from.memory(), to.address()));
            System.out.printf("ceiling: copy from pinned memory %.1f GB/s%n", rate / 1e9);
            return rate;
        }
    }
}
