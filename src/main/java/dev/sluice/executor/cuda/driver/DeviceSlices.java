package dev.sluice.executor.cuda.driver;

/** Cuts a piece of device memory into aligned slices, one after the other; with base 0, only counts. */
public final class DeviceSlices {

    private static final int ALIGNMENT = 256;

    private final long base;
    private long used;

    public DeviceSlices(long base) {
        this.base = base;
    }

    /** Address of the next slice. */
    public long take(long bytes) {
        long at = used;
        used = Math.addExact(at, Math.multiplyExact(Math.ceilDiv(bytes, (long) ALIGNMENT), (long) ALIGNMENT));
        return base + at;
    }

    /** Bytes taken so far. */
    public long bytes() {
        return used;
    }
}
