package dev.sluice.executor.cuda.copies;

import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

/** One copy job under way: done when the device has copied, and its pages are sealed or verified. */
public final class SealedCopy {

    private final BlockTransfer transfer;
    private final boolean store;
    private final CudaEvent start;
    private final CudaEvent end;
    private final CountDownLatch sealing = new CountDownLatch(1);
    private volatile int[] failed = {};
    private boolean handedOver;

    /** @param start timed events of its own until it is finished; likewise end */
    SealedCopy(BlockTransfer transfer, boolean store, CudaEvent start, CudaEvent end) {
        this.transfer = transfer;
        this.store = store;
        this.start = start;
        this.end = end;
    }

    long job() {
        return transfer.job();
    }

    CudaEvent start() {
        return start;
    }

    /** Done when the device has copied. */
    CudaEvent end() {
        return end;
    }

    /** Called once, by the thread of the seals. */
    void sealed(int[] failedPages) {
        failed = failedPages;
        sealing.countDown();
    }

    /** A load's pages are verified while they are copied; a store's are sealed afterwards. */
    void handOver(PageSeals seals) {
        if (!handedOver) {
            handedOver = true;
            if (store) {
                seals.seal(transfer, this);
            } else {
                seals.verify(transfer, this);
            }
        }
    }

    /** True once both parts are over. */
    boolean isDone(PageSeals seals) {
        if (!end.isDone()) {
            return false;
        }
        handOver(seals);
        return sealing.getCount() == 0;
    }

    /** What became of it; null while it is under way. */
    @Nullable
    FinishedTransfer poll(PageSeals seals) {
        if (!isDone(seals)) {
            return null;
        }
        return new FinishedTransfer(transfer.job(), failed, Math.round(end.millisSince(start) * 1e6));
    }

    /** Lets the calling thread wait for both parts. */
    void await(PageSeals seals) {
        end.synchronize();
        handOver(seals);
        boolean interrupted = false;
        while (sealing.getCount() > 0) {
            try {
                sealing.await();
            } catch (InterruptedException e) {
                interrupted = true; // a step must not end before its copies
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
