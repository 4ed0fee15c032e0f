package dev.sluice.executor.cpu;

import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.runtime.Clock;
import java.lang.foreign.MemorySegment;
import java.util.Queue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One copy job: made once, by whichever thread claims it first. */
final class BlockCopy {

    private static final Logger log = LoggerFactory.getLogger(BlockCopy.class);

    private final BlockTransfer transfer;
    private final boolean store;
    private final KvArena device;
    private final HostPages host;
    private final AtomicBoolean claimed = new AtomicBoolean();
    private final CountDownLatch end = new CountDownLatch(1);

    private BlockCopy(BlockTransfer transfer, boolean store, KvArena device, HostPages host) {
        this.transfer = transfer;
        this.store = store;
        this.device = device;
        this.host = host;
    }

    static BlockCopy store(BlockTransfer transfer, KvArena device, HostPages host) {
        return new BlockCopy(transfer, true, device, host);
    }

    static BlockCopy load(BlockTransfer transfer, KvArena device, HostPages host) {
        return new BlockCopy(transfer, false, device, host);
    }

    long job() {
        return transfer.job();
    }

    /** True for the first caller only, who must {@link #run} it. */
    boolean claim() {
        return claimed.compareAndSet(false, true);
    }

    /** Makes the copy and reports it; whatever goes wrong costs the blocks it goes wrong with, or all of them. */
    void run(Clock clock, Queue<FinishedTransfer> finished) {
        long start = clock.monotonicNanos();
        int[] failed = all();
        try {
            failed = IntStream.of(failed).filter(i -> !copy(i)).toArray();
        } catch (RuntimeException | Error e) {
            log.error("A copy of {} blocks failed", failed.length, e);
        } finally {
            finished.add(new FinishedTransfer(transfer.job(), failed, clock.monotonicNanos() - start));
            end.countDown(); // last: who has waited finds the report
        }
    }

    private int[] all() {
        return IntStream.range(0, transfer.blocks().length).toArray();
    }

    private boolean copy(int index) {
        int page = transfer.pages()[index];
        MemorySegment block = device.memory().asSlice(device.block(transfer.blocks()[index]), device.blockBytes());
        if (store) {
            host.page(page).copyFrom(block);
            host.writeChecksum(page, transfer.keys()[index]);
            return true;
        }
        if (!host.verify(page, transfer.keys()[index])) {
            return false;
        }
        block.copyFrom(host.page(page));
        return true;
    }

    /** Waits until the copy that another thread has claimed is over. */
    void awaitEnd() {
        boolean interrupted = false;
        while (true) {
            try {
                end.await();
                break;
            } catch (InterruptedException e) {
                interrupted = true; // a step must not begin on blocks that are half copied
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
