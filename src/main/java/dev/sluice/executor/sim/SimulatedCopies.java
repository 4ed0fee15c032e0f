package dev.sluice.executor.sim;

import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.TransferPlan;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;

/**
 * Copies between the simulated slots and host pages, as late as they can possibly happen: a store reads its blocks, and a
 * load writes them, at the last moment before the job is reported. Whoever reuses a block too early, or reads one too
 * soon, meets the wrong contents.
 */
final class SimulatedCopies {

    static final long GARBAGE = 0x0BAD0BAD0BAD0BADL;

    private static final class Job {
        private final BlockTransfer transfer;
        private final boolean store;
        private int pollsLeft;

        Job(BlockTransfer transfer, boolean store, int pollsLeft) {
            this.transfer = transfer;
            this.store = store;
            this.pollsLeft = pollsLeft;
        }
    }

    private final HostPages host;
    private final long[] slots;
    private final int blockSize;
    private final FaultPlan faults;
    private final List<Job> open = new ArrayList<>();
    private final Set<Integer> missing = new HashSet<>();
    private final List<FinishedTransfer> finished = new ArrayList<>();

    SimulatedCopies(int pages, long[] slots, int blockSize, FaultPlan faults) {
        long pageBytes = (long) blockSize * Long.BYTES;
        host = new HostPages(Arena.ofAuto().allocate(pageBytes * Math.max(1, pages), Long.BYTES), pageBytes);
        this.slots = slots;
        this.blockSize = blockSize;
        this.faults = faults;
    }

    /** True if the block was to be loaded for the current step and was not. */
    boolean isMissing(int block) {
        return missing.contains(block);
    }

    HostPages pages() {
        return host;
    }

    void begin(TransferPlan plan) {
        missing.clear();
        for (BlockTransfer store : plan.stores()) {
            open.add(new Job(store, true, faults.copyDelay(store.job())));
        }
        for (long job : plan.awaited()) {
            finishNow(job);
        }
        for (BlockTransfer load : plan.loads()) {
            for (int block : load.blocks()) {
                for (int i = 0; i < blockSize; i++) {
                    slots[block * blockSize + i] = GARBAGE;
                }
            }
            open.add(new Job(load, false, faults.copyDelay(load.job())));
            if (load.beforeStep()) {
                finishNow(load.job());
            }
        }
    }

    private void finishNow(long job) {
        for (Iterator<Job> i = open.iterator(); i.hasNext(); ) {
            Job candidate = i.next();
            if (candidate.transfer.job() == job) {
                i.remove();
                finish(candidate);
            }
        }
    }

    List<FinishedTransfer> poll() {
        for (Iterator<Job> i = open.iterator(); i.hasNext(); ) {
            Job job = i.next();
            if (--job.pollsLeft < 0) {
                i.remove();
                finish(job);
            }
        }
        if (finished.isEmpty()) {
            return List.of();
        }
        List<FinishedTransfer> result = List.copyOf(finished);
        finished.clear();
        return result;
    }

    private void finish(Job job) {
        BlockTransfer transfer = job.transfer;
        List<Integer> failed = new ArrayList<>();
        for (int i = 0; i < transfer.blocks().length; i++) {
            boolean fails = faults.failsCopy(transfer.job(), i);
            if (fails || !(job.store ? store(transfer, i) : load(transfer, i))) {
                failed.add(i);
                if (transfer.beforeStep()) {
                    missing.add(transfer.blocks()[i]);
                }
            }
        }
        int[] positions = failed.stream().mapToInt(Integer::intValue).toArray();
        finished.add(new FinishedTransfer(transfer.job(), positions, 1));
    }

    private boolean store(BlockTransfer transfer, int index) {
        int page = transfer.pages()[index];
        MemorySegment memory = host.page(page);
        MemorySegment.copy(slots, transfer.blocks()[index] * blockSize, memory, ValueLayout.JAVA_LONG, 0, blockSize);
        host.writeChecksum(page, transfer.keys()[index]);
        if (faults.damagesPage(transfer.job(), index)) {
            memory.set(ValueLayout.JAVA_BYTE, 0, (byte) (memory.get(ValueLayout.JAVA_BYTE, 0) ^ 4));
        }
        return true;
    }

    private boolean load(BlockTransfer transfer, int index) {
        int page = transfer.pages()[index];
        if (!host.verify(page, transfer.keys()[index])) {
            return false;
        }
        MemorySegment.copy(
                host.page(page), ValueLayout.JAVA_LONG, 0, slots, transfer.blocks()[index] * blockSize, blockSize);
        return true;
    }
}
