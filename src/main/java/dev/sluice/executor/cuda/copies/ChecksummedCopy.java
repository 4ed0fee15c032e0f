package dev.sluice.executor.cuda.copies;

import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

/** One copy job under way: done when the device has copied, and the checksums of its pages are written or verified. */
public final class ChecksummedCopy {

    private final BlockTransfer transfer;
    private final boolean store;
    private final CudaEvent start;
    private final CudaEvent end;
    private final CountDownLatch checking = new CountDownLatch(1);
    private volatile int[] failed = {};
    private boolean handedOver;

    /** @param start timed events of its own until it is finished; likewise end */
    ChecksummedCopy(BlockTransfer transfer, boolean store, CudaEvent start, CudaEvent end) {
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

    /** Called once, by the thread of the checksums. */
    void checked(int[] failedPages) {
        failed = failedPages;
        checking.countDown();
    }

    /** A load's pages are verified while they are copied; a store's checksums are written afterwards. */
    void handOver(PageChecksums checksums) {
        if (!handedOver) {
            handedOver = true;
            if (store) {
                checksums.writeChecksum(transfer, this);
            } else {
                checksums.verify(transfer, this);
            }
        }
    }

    /** True once both parts are over. */
    boolean isDone(PageChecksums checksums) {
        if (!end.isDone()) {
            return false;
        }
        handOver(checksums);
        return checking.getCount() == 0;
    }

    /** What became of it; null while it is under way. */
    @Nullable
    FinishedTransfer poll(PageChecksums checksums) {
        if (!isDone(checksums)) {
            return null;
        }
        return new FinishedTransfer(transfer.job(), failed, Math.round(end.millisSince(start) * 1e6));
    }

    /** Lets the calling thread wait for both parts. */
    void await(PageChecksums checksums) {
        end.synchronize();
        handOver(checksums);
        boolean interrupted = false;
        while (checking.getCount() > 0) {
            try {
                checking.await();
            } catch (InterruptedException e) {
                interrupted = true; // a step must not end before its copies
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
