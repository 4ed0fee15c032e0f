package dev.sluice.engine;

import dev.sluice.model.hub.DownloadProgress;
import dev.sluice.runtime.Clock;
import java.io.Console;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How far a download is: a bar that moves for whoever sits at a terminal, a log line every few seconds elsewhere, and a
 * number for the health page.
 */
public final class LoadProgress implements DownloadProgress {

    private static final Logger LOG = LoggerFactory.getLogger(LoadProgress.class);
    private static final long LOG_INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long BAR_INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long MIB = 1L << 20;
    private static final int BAR_WIDTH = 30;

    private final Clock clock;
    private final @Nullable PrintWriter terminal;
    private volatile double share;
    private long nextNanos;
    private long beginNanos;
    private long beginBytes = -1;

    /** @param terminal null if nobody sits there */
    LoadProgress(Clock clock, @Nullable PrintWriter terminal) {
        this.clock = clock;
        this.terminal = terminal;
        nextNanos = clock.monotonicNanos();
    }

    /** With a bar if the process has a terminal. */
    @SuppressWarnings("SystemConsoleNull") // in JDK 25 it is null again when input or output are redirected
    public static LoadProgress ofProcess(Clock clock) {
        Console console = System.console();
        return new LoadProgress(clock, console != null && console.isTerminal() ? console.writer() : null);
    }

    /** Share of the model's bytes that are there, 0 to 1. */
    public double share() {
        return share;
    }

    @Override
    public void advanced(String file, long fileBytes, long fileBytesTotal, long modelBytes, long modelBytesTotal) {
        share = modelBytesTotal == 0 ? 0 : (double) modelBytes / modelBytesTotal;
        long now = clock.monotonicNanos();
        if (beginBytes < 0) {
            beginBytes = modelBytes;
            beginNanos = now;
        }
        boolean complete = modelBytes == modelBytesTotal;
        if (now - nextNanos < 0 && !complete) {
            return;
        }
        if (terminal == null) {
            nextNanos = now + LOG_INTERVAL_NANOS;
            LOG.info(
                    "Downloading the model: {} of {} MiB ({} %), now {}",
                    modelBytes / MIB, modelBytesTotal / MIB, (int) (100 * share), file);
        } else {
            nextNanos = now + BAR_INTERVAL_NANOS;
            terminal.print("\r" + bar(file, modelBytes, modelBytesTotal, now) + (complete ? "\n" : ""));
            terminal.flush();
        }
    }

    /** One line, which ends with blanks so that it covers a longer one before it. */
    private String bar(String file, long bytes, long total, long now) {
        int filled = (int) (share * BAR_WIDTH);
        double seconds = (now - beginNanos) * 1e-9;
        double rate = seconds > 0 ? (bytes - beginBytes) / seconds / MIB : 0;
        String line = String.format(
                Locale.ROOT,
                "[%s%s] %3d %%  %d of %d MiB  %.1f MiB/s  %s",
                "#".repeat(filled),
                "-".repeat(BAR_WIDTH - filled),
                (int) (100 * share),
                bytes / MIB,
                total / MIB,
                rate,
                file);
        return String.format("%-110s", line);
    }
}
