package dev.sluice.executor.cuda.driver;

import java.util.Locale;

/** Numbers of bytes as people read them. */
public final class ByteSize {

    private ByteSize() {}

    /** In GiB, or in MiB below one GiB. */
    public static String text(long bytes) {
        double gib = bytes / (double) (1 << 30);
        return gib < 1
                ? String.format(Locale.ROOT, "%.1f MiB", gib * 1024)
                : String.format(Locale.ROOT, "%.1f GiB", gib);
    }
}
