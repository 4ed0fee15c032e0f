package dev.sluice.executor.cpu;

import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.TransferPlan;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Copies between the key/value memory and host pages. */
final class BlockCopies {

    private final KvArena device;
    private final HostPages host;
    private final List<FinishedTransfer> finished = new ArrayList<>();

    BlockCopies(KvArena device, int pages, Arena arena) {
        this.device = device;
        host = new HostPages(
                arena.allocate(Math.multiplyExact(device.blockBytes(), (long) pages), 64), device.blockBytes());
    }

    HostPages pages() {
        return host;
    }

    void begin(TransferPlan plan) {
        for (BlockTransfer store : plan.stores()) {
            for (int i = 0; i < store.blocks().length; i++) {
                host.page(store.pages()[i]).copyFrom(block(store.blocks()[i]));
                host.seal(store.pages()[i], store.keys()[i]);
            }
            finished.add(new FinishedTransfer(store.job(), new int[0], 0));
        }
        for (BlockTransfer load : plan.loads()) {
            finished.add(new FinishedTransfer(load.job(), load(load), 0));
        }
    }

    private int[] load(BlockTransfer load) {
        List<Integer> failed = new ArrayList<>();
        for (int i = 0; i < load.blocks().length; i++) {
            if (host.verify(load.pages()[i], load.keys()[i])) {
                block(load.blocks()[i]).copyFrom(host.page(load.pages()[i]));
            } else {
                failed.add(i);
            }
        }
        return failed.stream().mapToInt(Integer::intValue).toArray();
    }

    private MemorySegment block(int block) {
        return device.memory().asSlice(device.block(block), device.blockBytes());
    }

    List<FinishedTransfer> poll() {
        if (finished.isEmpty()) {
            return List.of();
        }
        List<FinishedTransfer> result = List.copyOf(finished);
        finished.clear();
        return result;
    }
}
