package dev.sluice.executor.cpu;

import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.TransferPlan;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.Threads;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * Copies between the key/value memory and host pages, on a thread of their own: the step that begins them goes on at once,
 * unless it needs one of them, and then the step's thread makes that copy itself rather than wait for its turn.
 *
 * <p>All methods but the thread's own loop are called by one thread. What is written by a copy and read by a step, or the
 * other way round, is ordered by the plan: its awaited jobs end before any of its loads begins and before it computes.
 */
final class BlockCopies implements AutoCloseable {

    private final KvArena device;
    private final HostPages host;
    private final Clock clock;
    private final LinkedBlockingQueue<BlockCopy> waiting = new LinkedBlockingQueue<>();
    private final Queue<FinishedTransfer> finished = new ConcurrentLinkedQueue<>();
    private final Map<Long, BlockCopy> open = new HashMap<>();
    private final Thread thread;
    private volatile boolean closed;

    /** @param pages of host memory; none needs no thread */
    BlockCopies(KvArena device, int pages, Arena arena, Clock clock) {
        this.device = device;
        this.clock = clock;
        host = new HostPages(
                arena.allocate(Math.multiplyExact(device.blockBytes(), (long) pages), 64), device.blockBytes());
        thread = Threads.named("cpu-copies", this::copy);
        if (pages > 0) {
            thread.start();
        }
    }

    HostPages pages() {
        return host;
    }

    /** Begins a plan's copies; returns when the computation that goes with it may begin. */
    void begin(TransferPlan plan) {
        plan.stores().forEach(store -> begin(BlockCopy.store(store, device, host)));
        for (long job : plan.awaited()) {
            await(open.get(job));
        }
        List<BlockCopy> needed = new ArrayList<>();
        plan.loads().forEach(load -> {
            BlockCopy copy = BlockCopy.load(load, device, host);
            begin(copy);
            if (load.beforeStep()) {
                needed.add(copy);
            }
        });
        needed.forEach(this::await);
    }

    private void begin(BlockCopy copy) {
        open.put(copy.job(), copy);
        waiting.add(copy);
    }

    private void await(@Nullable BlockCopy copy) {
        if (copy != null && !run(copy)) {
            copy.awaitEnd();
        }
    }

    /** Makes a copy, unless another thread does or did. */
    private boolean run(BlockCopy copy) {
        if (!copy.claim()) {
            return false;
        }
        copy.run(clock, finished);
        return true;
    }

    private void copy() {
        try {
            while (!closed) {
                run(waiting.take());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // closed
        }
    }

    /** The copies that have ended since the last call. */
    List<FinishedTransfer> poll() {
        if (finished.isEmpty()) {
            return List.of();
        }
        List<FinishedTransfer> ended = new ArrayList<>();
        for (FinishedTransfer end = finished.poll(); end != null; end = finished.poll()) {
            open.remove(end.job());
            ended.add(end);
        }
        return ended;
    }

    /** Ends the copy under way and drops those that wait; afterwards nothing touches the memory any more. */
    @Override
    public void close() {
        closed = true;
        Threads.end(thread); // not sooner: the memory is about to be given back
    }
}
