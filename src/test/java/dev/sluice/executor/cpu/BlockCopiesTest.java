package dev.sluice.executor.cpu;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.model.ModelSpec;
import dev.sluice.model.Quantization;
import dev.sluice.model.RopeSpec;
import dev.sluice.runtime.SystemClock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class BlockCopiesTest {

    private static final int BLOCKS = 40;
    private static final int PAGES = 40;

    private final Arena arena = Arena.ofShared();
    private final KvArena device = new KvArena(
            new ModelSpec(
                    "test",
                    4,
                    64,
                    64,
                    4,
                    4,
                    64,
                    100,
                    1024,
                    1e-5f,
                    new RopeSpec(10_000, null),
                    0,
                    false,
                    false,
                    true,
                    Quantization.NONE),
            new KvLayout(BLOCKS, 16),
            arena);
    private final BlockCopies copies = new BlockCopies(device, PAGES, arena, new SystemClock());
    private long job;

    @AfterEach
    void close() {
        copies.close();
        copies.close();
        arena.close();
    }

    private static BlockHash key(int value) {
        return new BlockHash(value, 0, 0, 0);
    }

    private MemorySegment block(int block) {
        return device.memory().asSlice(device.block(block), device.blockBytes());
    }

    private boolean holds(int block, int value) {
        return block(block).mismatch(arena.allocate(device.blockBytes()).fill((byte) value)) < 0;
    }

    private BlockTransfer transfer(int block, int page, int key, boolean beforeStep) {
        return new BlockTransfer(++job, new int[] {block}, new int[] {page}, new BlockHash[] {key(key)}, beforeStep);
    }

    private static TransferPlan stores(BlockTransfer... stores) {
        return new TransferPlan(new long[0], List.of(stores), List.of());
    }

    private static TransferPlan loads(BlockTransfer... loads) {
        return new TransferPlan(new long[0], List.of(), List.of(loads));
    }

    private static TransferPlan awaits(long... jobs) {
        return new TransferPlan(jobs, List.of(), List.of());
    }

    private List<FinishedTransfer> ended(int count) {
        List<FinishedTransfer> ended = new ArrayList<>();
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (ended.size() < count) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            ended.addAll(copies.poll());
        }
        assertThat(ended).hasSize(count);
        return ended;
    }

    @Test
    void whatWasStoredComesBackIntoAnotherBlock() {
        block(3).fill((byte) 7);
        copies.begin(stores(transfer(3, 5, 1, false)));
        assertThat(ended(1).getFirst().succeeded()).isTrue();
        block(3).fill((byte) 8);
        copies.begin(loads(transfer(9, 5, 1, false)));
        assertThat(ended(1).getFirst().succeeded()).isTrue();
        assertThat(holds(9, 7)).isTrue();
        assertThat(copies.poll()).isEmpty();
    }

    @Test
    void anAwaitedStoreHasReadItsBlockBeforeTheStepWritesIt() {
        for (int round = 0; round < 200; round++) {
            List<BlockTransfer> stores = new ArrayList<>();
            for (int block = 1; block < BLOCKS; block++) {
                block(block).fill((byte) round);
                stores.add(transfer(block, block, block, false));
            }
            copies.begin(stores(stores.toArray(BlockTransfer[]::new)));
            copies.begin(awaits(stores.getLast().job(), stores.get(4).job()));
            block(BLOCKS - 1).fill((byte) -1);
            block(5).fill((byte) -1);
            ended(BLOCKS - 1);
            assertThat(copies.pages().page(BLOCKS - 1).get(JAVA_BYTE, 77)).isEqualTo((byte) round);
            assertThat(copies.pages().page(5).get(JAVA_BYTE, device.blockBytes() - 1))
                    .isEqualTo((byte) round);
        }
    }

    @Test
    void aLoadThatTheStepNeedsIsThereWhenItBeginsAndReportedWithIt() {
        Random random = new Random(1);
        for (int page = 0; page < PAGES; page++) {
            copies.pages().page(page).fill((byte) page);
            copies.pages().writeChecksum(page, key(page));
        }
        for (int round = 0; round < 500; round++) {
            int page = random.nextInt(PAGES);
            int block = 1 + random.nextInt(BLOCKS - 1);
            copies.begin(loads(transfer(block, page, page, true)));
            assertThat(holds(block, page)).isTrue();
            assertThat(copies.poll()).extracting(FinishedTransfer::job).containsExactly(job);
        }
    }

    @Test
    void damagedForeignAndUnfinishedPagesAreFailedLoads() {
        copies.pages().page(0).fill((byte) 1);
        copies.pages().writeChecksum(0, key(1));
        copies.pages().page(0).set(JAVA_BYTE, 1000, (byte) 0);
        copies.pages().page(1).fill((byte) 1);
        copies.pages().writeChecksum(1, key(2));
        block(4).fill((byte) 9);
        BlockTransfer load = new BlockTransfer(
                1, new int[] {4, 4, 4}, new int[] {0, 1, 2}, new BlockHash[] {key(1), key(1), key(1)}, true);
        copies.begin(loads(load));
        assertThat(copies.poll().getFirst().failed()).containsExactly(0, 1, 2);
        assertThat(holds(4, 9)).isTrue();
    }

    @Test
    void aCopyThatCannotBeMadeIsReportedAndTheNextOneIsMade() {
        copies.begin(stores(transfer(1, PAGES + 5, 1, false), transfer(2, 2, 2, false)));
        List<FinishedTransfer> ended = ended(2);
        assertThat(ended).anyMatch(end -> end.job() == 1 && end.failed().length == 1);
        assertThat(ended).anyMatch(end -> end.job() == 2 && end.succeeded());
    }

    @Test
    void closingLeavesNoCopyBehindThatTouchesTheMemory() {
        List<BlockTransfer> stores = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            stores.add(transfer(1 + i % (BLOCKS - 1), i % PAGES, i, false));
        }
        copies.begin(stores(stores.toArray(BlockTransfer[]::new)));
        copies.close();
        int ended = copies.poll().size();
        assertThat(copies.poll()).isEmpty();
        assertThat(ended).isLessThanOrEqualTo(2000);
    }
}
