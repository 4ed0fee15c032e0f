package dev.sluice.offload.disk;

import static dev.sluice.offload.disk.DiskBench.await;
import static dev.sluice.offload.disk.DiskBench.chunkBytes;
import static dev.sluice.offload.disk.DiskBench.key;
import static dev.sluice.offload.disk.DiskBench.pageKeys;
import static dev.sluice.offload.disk.DiskBench.settle;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.kv.BlockHash;
import dev.sluice.offload.StorageTier;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskTierTest {

    @TempDir
    Path root;

    private DiskBench bench;

    @BeforeEach
    void putOnBench() {
        bench = new DiskBench(root.resolve("kv"));
    }

    @Test
    void whatWasWrittenIsReadBackIntoOtherPages() {
        try (DiskTier tier = bench.open()) {
            StorageTier.Ended written = bench.store(tier, 1);

            assertThat(written.job()).isEqualTo(1);
            assertThat(written.succeeded()).isTrue();
            assertThat(written.bytes()).isEqualTo(2 * DiskBench.PAGE_BYTES);
            assertThat(tier.contains(key(1))).isTrue();
            assertThat(bench.fetch(tier, 1)).isTrue();
            assertThat(tier.bytesUsed()).isEqualTo(chunkBytes()).isEqualTo(bench.bytesOnDisk());
        }
    }

    @Test
    void chunkIsNotThereBeforeItsWriteIsReported() {
        try (DiskTier tier = bench.open()) {
            assertThat(tier.write(1, key(1), pageKeys(1), bench.fill(1, 0))).isTrue();

            assertThat(tier.contains(key(1))).isFalse();
            assertThat(tier.read(-1, key(1), pageKeys(1), new int[] {4, 5})).isFalse();
            assertThat(tier.hasPendingWork()).isTrue();
            await(tier, 1);
            assertThat(tier.contains(key(1))).isTrue();
            assertThat(tier.hasPendingWork()).isFalse();
        }
    }

    @Test
    void unknownChunkIsNeitherContainedNorRead() {
        try (DiskTier tier = bench.open()) {
            assertThat(tier.contains(key(7))).isFalse();
            assertThat(tier.read(-7, key(7), pageKeys(7), new int[] {4, 5})).isFalse();
            assertThat(tier.hasPendingWork()).isFalse();
        }
    }

    @Test
    void chunkThatIsPresentIsNotTakenAgain() {
        try (DiskTier tier = bench.open()) {
            bench.store(tier, 1);

            assertThat(tier.write(1, key(1), pageKeys(1), bench.fill(1, 0))).isFalse();
            assertThat(tier.bytesUsed()).isEqualTo(chunkBytes());
        }
    }

    @Test
    void chunkOfImpossibleShapeIsNotTaken() {
        try (DiskTier tier = bench.open()) {
            bench.fill(1, 0);
            BlockHash[] three = {key(1), key(2), key(3)};

            assertThat(tier.write(1, key(1), new BlockHash[0], new int[0])).isFalse();
            assertThat(tier.write(1, key(1), pageKeys(1), new int[] {0})).isFalse();
            assertThat(tier.write(3, key(3), three, new int[] {0, 1, 2})).isFalse();
            assertThat(tier.hasPendingWork()).isFalse();
        }
    }

    @Test
    void shorterChunkKeepsItsOwnSizeAcrossARestart() {
        BlockHash[] one = {key(1)};
        try (DiskTier tier = bench.open()) {
            bench.pages.writeChecksum(0, key(1));
            assertThat(tier.write(1, key(1), one, new int[] {0})).isTrue();
            await(tier, 1);
            assertThat(tier.bytesUsed()).isEqualTo(bench.bytesOnDisk()).isLessThan(chunkBytes());
        }
        try (DiskTier tier = bench.open()) {
            assertThat(tier.read(-1, key(1), one, new int[] {9})).isTrue();
            assertThat(await(tier, 1).getFirst().succeeded()).isTrue();
            assertThat(bench.pages.verify(9, key(1))).isTrue();
        }
    }

    @Test
    void pageThatIsNoLongerWhatWasSealedIsNotWritten() {
        try (DiskTier tier = bench.open()) {
            int[] pages = bench.fill(1, 0);
            bench.pages.page(1).set(java.lang.foreign.ValueLayout.JAVA_BYTE, 100, (byte) 77);

            assertThat(tier.write(1, key(1), pageKeys(1), pages)).isTrue();

            assertThat(await(tier, 1).getFirst().succeeded()).isFalse();
            assertThat(tier.contains(key(1))).isFalse();
            assertThat(tier.bytesUsed()).isZero();
            assertThat(bench.names()).isEmpty();
        }
    }

    @Test
    void oldestUnusedChunksMakeRoomAndTheBudgetIsExact() {
        try (DiskTier tier = bench.open(3)) {
            bench.store(tier, 1);
            bench.store(tier, 2);
            bench.store(tier, 3);
            assertThat(bench.fetch(tier, 1)).isTrue();

            bench.store(tier, 4);
            assertThat(tier.contains(key(2))).isFalse();
            assertThat(tier.write(3, key(3), pageKeys(3), bench.fill(3, 0))).isFalse(); // present: a use
            bench.store(tier, 5);

            assertThat(List.of(tier.contains(key(1)), tier.contains(key(3)), tier.contains(key(4))))
                    .containsExactly(false, true, true);
            assertThat(tier.bytesUsed()).isEqualTo(3 * chunkBytes()).isEqualTo(tier.bytesCapacity());
            settle(tier);
            assertThat(bench.bytesOnDisk()).isEqualTo(3 * chunkBytes());
        }
    }

    @Test
    void budgetOfOneByteLessHoldsOneChunkLess() {
        DiskSettings settings = new DiskSettings(bench.directory, 3 * chunkBytes() - 1, 8, 8, 1);
        try (DiskTier tier = new DiskTier(settings, "f", bench.pages, 2, bench.clock)) {
            for (int n = 1; n <= 3; n++) {
                bench.store(tier, n);
            }
            assertThat(tier.contains(key(1))).isFalse();
            assertThat(tier.bytesUsed()).isEqualTo(2 * chunkBytes()).isEqualTo(bench.bytesOnDisk());
        }
    }

    @Test
    void booksAgreeWithASimpleModelAndWithTheDirectoryAfterAnyHistory() {
        for (long seed = 0; seed < 20; seed++) {
            bench = new DiskBench(root.resolve("kv" + seed));
            Random random = new Random(seed);
            int room = 1 + random.nextInt(5);
            LinkedHashMap<Long, Boolean> model = new LinkedHashMap<>();
            LinkedHashMap<Long, Boolean> onFiles = new LinkedHashMap<>(); // the order that files' times tell
            DiskTier tier = bench.open(room);
            for (int step = 0; step < 60; step++) {
                String where = "seed " + seed + " step " + step;
                long n = random.nextInt(8);
                int what = random.nextInt(20);
                if (what < 9) {
                    boolean taken = tier.write(n, key(n), pageKeys(n), bench.fill(n, 0));
                    assertThat(taken).as(where).isEqualTo(!model.containsKey(n));
                    model.putLast(n, true);
                    if (taken) {
                        await(tier, 1);
                        onFiles.putLast(n, true);
                        if (model.size() > room) {
                            model.remove(model.keySet().iterator().next());
                        }
                    }
                } else if (what < 17) {
                    assertThat(bench.fetch(tier, n)).as(where).isEqualTo(model.containsKey(n));
                    if (model.containsKey(n)) {
                        model.putLast(n, true);
                        onFiles.putLast(n, true);
                    }
                } else if (what < 18) {
                    tier.reset();
                    model.clear();
                } else {
                    tier.close();
                    bench.clock.jumpWall(random.nextInt(3) * 1000L - 1000);
                    tier = bench.open(room);
                    onFiles.keySet().retainAll(model.keySet());
                    model = new LinkedHashMap<>(onFiles);
                }
                settle(tier);
                assertThat(tier.bytesUsed()).as(where).isEqualTo(model.size() * chunkBytes());
                assertThat(bench.bytesOnDisk()).as(where).isEqualTo(tier.bytesUsed());
                for (long kept : model.keySet()) {
                    assertThat(tier.contains(key(kept))).as(where).isTrue();
                }
            }
            tier.close();
        }
    }

    @Test
    void resetForgetsEverythingOnDiskToo() {
        try (DiskTier tier = bench.open()) {
            bench.store(tier, 1);
            bench.store(tier, 2);

            tier.reset();

            assertThat(tier.contains(key(1))).isFalse();
            assertThat(tier.bytesUsed()).isZero();
            settle(tier);
            assertThat(bench.names()).isEmpty();
            bench.store(tier, 1);
            assertThat(bench.fetch(tier, 1)).isTrue();
        }
    }

    @Test
    void resetJustBeforeTheEndIsNotForgotten() {
        DiskTier tier = bench.open();
        bench.store(tier, 1);
        tier.reset();
        tier.close();

        assertThat(bench.names()).isEmpty();
    }

    @Test
    void budgetBelowOneChunkStopsTheStart() {
        DiskSettings settings = DiskSettings.of(bench.directory, chunkBytes() - 1);

        assertThatThrownBy(() -> new DiskTier(settings, "f", bench.pages, 2, bench.clock))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the byte budget of the disk tier must be at least one chunk, " + chunkBytes() + ", is "
                        + (chunkBytes() - 1));
        assertThatThrownBy(() -> DiskSettings.of(bench.directory, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the byte budget of the disk tier must be at least 1, is 0");
    }

    @Test
    void directoryThatCannotBeUsedStopsTheStartWithOneSentence() throws IOException {
        Path file = Files.createFile(root.resolve("file"));
        for (Path bad : List.of(file, file.resolve("below"))) {
            bench = new DiskBench(bad);
            assertThatThrownBy(() -> bench.open())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("the disk tier cannot use the directory " + bad + ": ")
                    .hasMessageNotContaining("Exception");
        }
    }

    @Test
    void directoryWhoseLockCannotBeOpenedStopsTheStart() throws IOException {
        Files.createDirectories(bench.directory.resolve("lock"));

        assertThatThrownBy(() -> bench.open())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("the disk tier cannot use the directory " + bench.directory + ": ");
        Files.delete(bench.directory.resolve("lock"));
        bench.open().close(); // the failed start holds nothing
    }

    @Test
    void secondTierOnADirectoryIsRefusedUntilTheFirstIsClosed() {
        DiskTier first = bench.open();
        List<Throwable> refusals = new ArrayList<>();
        for (int i = 0; i < 2; i++) { // the first refusal must not give the lock away
            try (DiskTier second = bench.open()) {
                second.poll();
            } catch (IllegalArgumentException e) {
                refusals.add(e);
            }
        }
        assertThat(refusals)
                .hasSize(2)
                .allSatisfy(e -> assertThat(e)
                        .hasMessage("the disk tier cannot use the directory " + bench.directory
                                + ": it is in use already"));
        bench.store(first, 1);
        first.close();

        try (DiskTier second = bench.open()) {
            assertThat(bench.fetch(second, 1)).isTrue();
        }
    }
}
