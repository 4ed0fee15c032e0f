package dev.sluice.executor.cuda.copies;

import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.runtime.Threads;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Checksums of host pages, written and verified on a thread of their own beside the copies: a checksum takes about as long as
 * the copy itself. Knows nothing of the driver.
 */
final class PageChecksums implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(PageChecksums.class);

    private final HostPages pages;
    private final LinkedBlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
    private final Thread thread = Threads.named("cuda-page-checksums", this::run);
    private volatile boolean closed;

    PageChecksums(HostPages pages) {
        this.pages = pages;
        if (pages.count() > 0) {
            thread.start();
        }
    }

    /** Writes the checksums of a store whose copy has ended. */
    void writeChecksum(BlockTransfer transfer, ChecksummedCopy copy) {
        work.add(() -> {
            for (int i = 0; i < transfer.pages().length; i++) {
                pages.writeChecksum(transfer.pages()[i], transfer.keys()[i]);
            }
            copy.checked(new int[0]);
        });
    }

    /** Finds the pages of a load that do not hold what they should. */
    void verify(BlockTransfer transfer, ChecksummedCopy copy) {
        work.add(() -> copy.checked(IntStream.range(0, transfer.pages().length)
                .filter(i -> !pages.verify(transfer.pages()[i], transfer.keys()[i]))
                .toArray()));
    }

    private void run() {
        try {
            while (!closed) {
                work.take().run();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // closed
        } catch (RuntimeException | Error e) {
            log.error("Checksums of host pages are no longer written", e);
        }
    }

    /** Afterwards nothing touches the pages any more. */
    @Override
    public void close() {
        closed = true;
        Threads.end(thread); // not sooner: the memory is about to be given back
    }
}
