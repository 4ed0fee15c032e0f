package dev.sluice.executor.cuda.copies;

import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.runtime.Threads;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Seals of host pages, written and checked on a thread of their own beside the copies: a checksum takes about as long as
 * the copy itself. Knows nothing of the driver.
 */
final class PageSeals implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(PageSeals.class);

    private final HostPages pages;
    private final LinkedBlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
    private final Thread thread = Threads.named("cuda-page-seals", this::run);
    private volatile boolean closed;

    PageSeals(HostPages pages) {
        this.pages = pages;
        if (pages.count() > 0) {
            thread.start();
        }
    }

    /** Seals the pages of a store whose copy has ended. */
    void seal(BlockTransfer transfer, SealedCopy copy) {
        work.add(() -> {
            for (int i = 0; i < transfer.pages().length; i++) {
                pages.seal(transfer.pages()[i], transfer.keys()[i]);
            }
            copy.sealed(new int[0]);
        });
    }

    /** Finds the pages of a load that do not hold what they should. */
    void verify(BlockTransfer transfer, SealedCopy copy) {
        work.add(() -> copy.sealed(IntStream.range(0, transfer.pages().length)
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
            log.error("Seals of host pages are no longer written", e);
        }
    }

    /** Afterwards nothing touches the pages any more. */
    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true; // but the memory is about to be given back
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
