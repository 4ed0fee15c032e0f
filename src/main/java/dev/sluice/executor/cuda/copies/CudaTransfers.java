package dev.sluice.executor.cuda.copies;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.cuda.driver.CopyBatch;
import dev.sluice.executor.cuda.driver.CudaEvent;
import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.PinnedBuffer;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.TransferPlan;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Copies between the key/value memory and pinned host pages, on two streams beside the computation. Order comes from events
 * alone, no thread waits: a store begins after the steps that computed its blocks, a load after the steps that may still
 * read them, and a computation after the copies that it is told to wait for.
 *
 * <p>Calls of the driver are made by the thread of the steps alone.
 */
public final class CudaTransfers implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(CudaTransfers.class);

    private final CudaStream compute;
    private final CudaStream stores;
    private final CudaStream loads;
    private final CudaEvent computed;
    private final long arena;
    private final long blockBytes;
    private final HostPages pages;
    private final PageChecksums checksums;
    private final CopyBatch batch = new CopyBatch();
    private final Map<Long, ChecksummedCopy> open = new LinkedHashMap<>();
    private final Deque<CudaEvent> events = new ArrayDeque<>();
    private final List<FinishedTransfer> refused = new ArrayList<>();

    /**
     * @param computed recorded after the computation of each step
     * @param arena address of the key/value memory
     * @param pageCount pages to allocate; none need no thread
     */
    public CudaTransfers(CudaStream compute, CudaEvent computed, long arena, long blockBytes, int pageCount) {
        this.compute = compute;
        this.computed = computed;
        this.arena = arena;
        this.blockBytes = blockBytes;
        stores = CudaStream.create(compute.context(), 0);
        loads = CudaStream.create(compute.context(), 0);
        pages = new HostPages(
                pageCount == 0
                        ? MemorySegment.NULL
                        : PinnedBuffer.allocate(compute.context(), Math.multiplyExact(blockBytes, (long) pageCount))
                                .memory(),
                blockBytes);
        checksums = new PageChecksums(pages);
    }

    public HostPages pages() {
        return pages;
    }

    /**
     * Begins a plan's copies, before the computation that goes with it is given to its stream.
     *
     * @return the copies that the step includes: it has not ended before they have
     */
    public List<ChecksummedCopy> begin(TransferPlan plan) {
        List<ChecksummedCopy> included = new ArrayList<>();
        plan.stores().forEach(store -> begin(store, true));
        for (long job : plan.awaited()) {
            ChecksummedCopy copy = open.get(job);
            if (copy != null) {
                loads.waitFor(copy.end());
                compute.waitFor(copy.end());
                included.add(copy);
            }
        }
        for (BlockTransfer load : plan.loads()) {
            ChecksummedCopy copy = begin(load, false);
            if (copy != null && load.beforeStep()) {
                compute.waitFor(copy.end());
                included.add(copy);
            }
        }
        return included;
    }

    /** Null if it could not be begun: reported as failed, so that it costs its blocks and nothing else. */
    private @Nullable ChecksummedCopy begin(BlockTransfer transfer, boolean store) {
        CudaStream stream = store ? stores : loads;
        try {
            return begin(transfer, store, stream);
        } catch (ExecutorException e) {
            if (e.scope() == ExecutorException.Scope.DEVICE) {
                throw e;
            }
            log.error("A copy of {} blocks could not be begun", transfer.blocks().length, e);
            stream.synchronize(); // a part of it may be under way
            int[] all = IntStream.range(0, transfer.blocks().length).toArray();
            refused.add(new FinishedTransfer(transfer.job(), all, 0));
            return null;
        }
    }

    private ChecksummedCopy begin(BlockTransfer transfer, boolean store, CudaStream stream) {
        ChecksummedCopy copy = new ChecksummedCopy(transfer, store, event(), event());
        stream.waitFor(computed);
        stream.record(copy.start());
        for (int i = 0; i < transfer.blocks().length; i++) {
            long block = arena + transfer.blocks()[i] * blockBytes;
            long page = pages.page(transfer.pages()[i]).address();
            batch.add(store ? page : block, store ? block : page, blockBytes);
        }
        batch.give(stream);
        stream.record(copy.end());
        open.put(copy.job(), copy);
        if (!store) {
            copy.handOver(checksums);
        }
        return copy;
    }

    private CudaEvent event() {
        CudaEvent spare = events.poll();
        return spare == null ? CudaEvent.create(compute.context(), true) : spare;
    }

    /** Lets the calling thread wait for copies that a step includes. */
    public void await(List<ChecksummedCopy> included) {
        included.forEach(copy -> copy.await(checksums));
    }

    /** The copies that have ended since the last call. */
    public List<FinishedTransfer> poll() {
        if (open.isEmpty() && refused.isEmpty()) {
            return List.of();
        }
        List<FinishedTransfer> ended = new ArrayList<>(refused);
        refused.clear();
        for (ChecksummedCopy copy : List.copyOf(open.values())) {
            FinishedTransfer end = copy.poll(checksums);
            if (end != null) {
                open.remove(copy.job());
                events.add(copy.start());
                events.add(copy.end());
                ended.add(end);
            }
        }
        return ended;
    }

    /** Afterwards no thread of the host touches the pages any more; the device's copies end with the context. */
    @Override
    public void close() {
        checksums.close();
    }
}
