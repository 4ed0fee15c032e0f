package dev.sluice.offload.disk;

import static dev.sluice.offload.disk.DiskBench.await;
import static dev.sluice.offload.disk.DiskBench.chunkBytes;
import static dev.sluice.offload.disk.DiskBench.key;
import static dev.sluice.offload.disk.DiskBench.pageKeys;
import static dev.sluice.offload.disk.DiskBench.settle;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.offload.StorageTier.Ended;
import dev.sluice.offload.disk.DiskBench.Log;
import dev.sluice.runtime.Clock;
import dev.sluice.runtime.SystemClock;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskFailureTest {

    @TempDir
    Path root;

    private DiskBench bench;
    private DiskFaults disk;

    @BeforeEach
    void putOnBench() {
        bench = new DiskBench(root);
        disk = new DiskFaults();
    }

    private DiskTier open(int chunks) {
        return bench.open(chunks, DiskBench.FINGERPRINT, disk);
    }

    private boolean offer(DiskTier tier, long n) {
        return tier.write(n, key(n), pageKeys(n), bench.fill(n, (int) (2 * n)));
    }

    private boolean ask(DiskTier tier, long n, int page) {
        return tier.read(-n, key(n), pageKeys(n), new int[] {page, page + 1});
    }

    @Test
    void fullDiskDropsStoresWithOneWarningAMinuteAndLoadsStillWork() {
        try (Log log = new Log();
                DiskTier tier = open(100)) {
            bench.store(tier, 1);
            for (int room = 0; room < chunkBytes(); room += 97) {
                disk.room.set(room);
                assertThat(bench.store(tier, 2))
                        .extracting(Ended::succeeded, Ended::bytes)
                        .containsExactly(false, 0L);
                assertThat(tier.contains(key(2))).isFalse();
                assertThat(bench.names()).hasSize(1);
                assertThat(bench.fetch(tier, 1)).isTrue();
            }
            assertThat(tier.bytesUsed()).isEqualTo(chunkBytes());
            assertThat(log.with("drops what it cannot store"))
                    .singleElement()
                    .asString()
                    .contains("No space left on device");

            bench.clock.advanceNanos(60_000_000_000L);
            disk.room.set(0);
            bench.store(tier, 2);
            assertThat(log.with("drops what it cannot store")).hasSize(2);

            disk.room.set(chunkBytes());
            assertThat(bench.store(tier, 2).succeeded()).isTrue();
            assertThat(bench.fetch(tier, 2)).isTrue();
        }
    }

    @Test
    void fullQueueTakesNoMoreAndEveryAcceptedWriteIsReportedOnce() {
        try (DiskTier tier = open(100)) {
            disk.writeGate = new CountDownLatch(1);
            for (long n = 0; n < 8; n++) {
                assertThat(offer(tier, n)).as("write %d", n).isTrue();
            }
            assertThat(offer(tier, 8)).isFalse();
            assertThat(tier.contains(key(8))).isFalse();
            assertThat(tier.bytesUsed()).isEqualTo(8 * chunkBytes()); // what is on its way counts
            assertThat(tier.poll()).isEmpty();

            disk.writeGate.countDown();
            List<Ended> ended = await(tier, 8);
            assertThat(ended).allMatch(Ended::succeeded).extracting(Ended::job).doesNotHaveDuplicates();
            assertThat(tier.poll()).isEmpty();
            assertThat(offer(tier, 8)).isTrue();
            await(tier, 1);
        }
    }

    @Test
    void fullReadQueueTakesNoMore() {
        try (DiskTier tier = open(100)) {
            for (int n = 0; n <= 8; n++) {
                bench.store(tier, n);
            }
            disk.readGate = new CountDownLatch(1);
            for (int n = 0; n < 8; n++) {
                assertThat(ask(tier, n, 10 + 2 * n)).isTrue();
            }
            assertThat(ask(tier, 8, 40)).isFalse();
            assertThat(tier.contains(key(8))).isTrue();

            disk.readGate.countDown();
            assertThat(await(tier, 8)).allMatch(Ended::succeeded);
            for (int n = 0; n < 8; n++) {
                assertThat(bench.holds(n, 10 + 2 * n)).isTrue();
            }
        }
    }

    @Test
    void chunkIsReadOnceAtATimeSoThatAReportCannotBeMistaken() {
        try (DiskTier tier = open(100)) {
            bench.store(tier, 1);
            CountDownLatch gate = new CountDownLatch(1);
            disk.readGate = gate;
            assertThat(ask(tier, 1, 10)).isTrue();
            assertThat(ask(tier, 1, 12)).isFalse();
            tier.reset();
            DiskBench.await(() -> tier.poll().isEmpty() && offer(tier, 1)); // taken when the old file is gone
            DiskBench.await(() -> tier.poll().stream().anyMatch(e -> e.job() >= 0));
            assertThat(tier.contains(key(1))).isTrue();
            assertThat(ask(tier, 1, 12)).isFalse(); // the read from before the reset is still out

            gate.countDown();
            assertThat(await(tier, 1).getFirst().succeeded()).isFalse();
            assertThat(bench.fetch(tier, 1)).isTrue();
        }
    }

    @Test
    void chunkThatIsBeingReadOrWrittenIsNotEvicted() {
        try (DiskTier tier = open(2)) {
            bench.store(tier, 1);
            bench.store(tier, 2);
            disk.readGate = new CountDownLatch(1);
            assertThat(ask(tier, 1, 10)).isTrue();
            assertThat(ask(tier, 2, 12)).isTrue();
            assertThat(offer(tier, 3)).isFalse(); // no room: everything is in use

            disk.readGate.countDown();
            assertThat(await(tier, 2)).allMatch(Ended::succeeded);
            disk.writeGate = new CountDownLatch(1);
            assertThat(offer(tier, 3)).isTrue();
            assertThat(offer(tier, 4)).isTrue();
            assertThat(offer(tier, 5)).isFalse();
            disk.writeGate.countDown();
            assertThat(await(tier, 2)).allMatch(Ended::succeeded);
            assertThat(bench.bytesOnDisk()).isEqualTo(2 * chunkBytes());
        }
    }

    @Test
    void operationsOpenAtAResetAreReportedAsFailedAndLeaveNothing() {
        try (DiskTier tier = open(100)) {
            bench.store(tier, 1);
            disk.writeGate = new CountDownLatch(1);
            disk.readGate = new CountDownLatch(1);
            assertThat(ask(tier, 1, 10)).isTrue();
            assertThat(offer(tier, 2)).isTrue();

            tier.reset();
            assertThat(tier.bytesUsed()).isZero();
            assertThat(tier.contains(key(1))).isFalse();
            assertThat(tier.hasPendingWork()).isTrue();

            disk.writeGate.countDown();
            disk.readGate.countDown();
            assertThat(await(tier, 2)).noneMatch(Ended::succeeded);
            settle(tier);
            assertThat(tier.contains(key(2))).isFalse();
            assertThat(tier.bytesUsed()).isZero();
            assertThat(bench.names()).isEmpty();
            assertThat(bench.store(tier, 2).succeeded()).isTrue();
            assertThat(bench.fetch(tier, 2)).isTrue();
        }
    }

    @Test
    void fileThatCannotBeDeletedStillCountsAndTheBudgetHolds() {
        try (DiskTier tier = open(2)) {
            bench.store(tier, 1);
            bench.store(tier, 2);
            disk.undeletable = true;

            assertThat(bench.store(tier, 3).succeeded()).isFalse();
            assertThat(tier.contains(key(1))).isFalse();
            assertThat(tier.bytesUsed()).isEqualTo(2 * chunkBytes()).isEqualTo(bench.bytesOnDisk());
            tier.reset();
            settle(tier);
            assertThat(tier.bytesUsed()).isEqualTo(2 * chunkBytes()).isEqualTo(bench.bytesOnDisk());
            assertThat(tier.contains(key(2))).isFalse();

            disk.undeletable = false;
            assertThat(bench.store(tier, 3).succeeded()).isTrue();
            assertThat(bench.store(tier, 4).succeeded()).isTrue();
            assertThat(bench.fetch(tier, 3)).isTrue();
            assertThat(tier.bytesUsed()).isEqualTo(2 * chunkBytes()).isEqualTo(bench.bytesOnDisk());
        }
    }

    @Test
    void closeWhileBusyEndsWhatRunsDropsWhatWaitsAndReportsAll() {
        DiskTier tier = open(100);
        bench.store(tier, 0);
        CountDownLatch gate = new CountDownLatch(1);
        disk.writeGate = gate;
        disk.readGate = gate;
        for (long n = 10; n < 18; n++) {
            assertThat(offer(tier, n)).isTrue();
        }
        assertThat(ask(tier, 0, 2)).isTrue();
        Thread closer = dev.sluice.runtime.Threads.named("closer", tier::close);
        closer.start();
        DiskBench.await(() -> closer.getState() == Thread.State.TIMED_WAITING);
        gate.countDown();
        DiskBench.await(() -> !closer.isAlive());

        assertThat(offer(tier, 20)).isFalse();
        assertThat(ask(tier, 0, 30)).isFalse();
        List<Ended> ended = await(tier, 9);
        assertThat(tier.hasPendingWork()).isFalse();
        long written =
                ended.stream().filter(e -> e.job() >= 10 && e.succeeded()).count();
        assertThat(written).isLessThanOrEqualTo(1);
        assertThat(tier.bytesUsed()).isEqualTo((1 + written) * chunkBytes()).isEqualTo(bench.bytesOnDisk());
        tier.close(); // again: nothing

        try (DiskTier next = bench.open()) {
            assertThat(next.bytesUsed()).isEqualTo((1 + written) * chunkBytes());
            assertThat(bench.fetch(next, 0)).isTrue();
        }
    }

    @Test
    void processThatIsGoneAfterAnyStepLeavesADirectoryThatTheNextAccepts() {
        boolean survived = false;
        for (int steps = 0; !survived; steps++) {
            assertThat(steps).isLessThan(100);
            bench = new DiskBench(root.resolve("at" + steps));
            try (DiskTier tier = bench.open(2)) {
                bench.store(tier, 1);
                bench.store(tier, 2);
            }
            disk = new DiskFaults();
            disk.stepsToLive.set(steps);
            try (DiskTier tier = open(2)) {
                survived = bench.store(tier, 3).succeeded(); // evicts 1
            }
            try (DiskTier tier = bench.open(2)) {
                String when = "gone after step " + steps;
                assertThat(tier.contains(key(3))).as(when).isEqualTo(bench.fetch(tier, 3));
                assertThat(bench.fetch(tier, 2)).as(when).isTrue();
                assertThat(tier.contains(key(1))).as(when).isEqualTo(bench.fetch(tier, 1));
                assertThat(tier.bytesUsed()).as(when).isEqualTo(bench.bytesOnDisk());
                assertThat(bench.store(tier, 4).succeeded()).as(when).isTrue();
            }
        }
    }

    /** Every access takes three milliseconds: nothing is lost, damaged or counted as failed for that. */
    @Test
    void slowButHealthyDiskKeepsAndReturnsWhatItTookAndMakesNobodyWait() {
        disk.delayNanos = TimeUnit.MILLISECONDS.toNanos(3);
        Clock real = new SystemClock();
        int taken = 0;
        try (Log log = new Log();
                DiskTier tier = open(100)) {
            for (int n = 0; n < 16; n++) {
                long before = real.monotonicNanos();
                taken += offer(tier, n) ? 1 : 0;
                assertThat(real.monotonicNanos() - before)
                        .as("the caller does not wait for the disk")
                        .isLessThan(20 * disk.delayNanos);
            }
            assertThat(taken).as("what is too much at once is refused").isBetween(8, 15);
            assertThat(DiskBench.await(tier, taken)).allMatch(Ended::succeeded).allMatch(ended -> ended.job() >= 0);
            int kept = 0;
            for (int n = 0; n < 16; n++) {
                kept += tier.contains(key(n)) ? 1 : 0;
            }
            assertThat(kept).isEqualTo(taken);
            assertThat(bench.names()).hasSize(taken);
            for (int n = 0; n < 16; n++) {
                assertThat(bench.fetch(tier, n)).isEqualTo(tier.contains(key(n)));
            }
            assertThat(log.with("drops what it cannot store")).isEmpty();
            assertThat(tier.hasPendingWork()).isFalse();
        }
    }
}
