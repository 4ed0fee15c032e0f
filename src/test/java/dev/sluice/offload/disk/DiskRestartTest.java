package dev.sluice.offload.disk;

import static dev.sluice.offload.disk.DiskBench.chunkBytes;
import static dev.sluice.offload.disk.DiskBench.key;
import static dev.sluice.offload.disk.DiskBench.settle;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.offload.disk.DiskBench.Log;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DiskRestartTest {

    @TempDir
    Path root;

    private DiskBench bench;

    @BeforeEach
    void putOnBench() {
        bench = new DiskBench(root);
    }

    private void storeAndClose(String fingerprint, long... chunks) {
        try (DiskTier tier = bench.open(100, fingerprint, DiskFiles.REAL)) {
            for (long n : chunks) {
                assertThat(bench.store(tier, n).succeeded()).isTrue();
            }
        }
    }

    @Test
    void chunksSurviveARestart() {
        storeAndClose(DiskBench.FINGERPRINT, 1, 2, 3);
        try (DiskTier tier = bench.open()) {
            assertThat(tier.bytesUsed()).isEqualTo(3 * chunkBytes());
            for (long n : List.of(1L, 2L, 3L)) {
                assertThat(tier.contains(key(n))).isTrue();
                assertThat(bench.fetch(tier, n)).isTrue();
            }
        }
    }

    @Test
    void orderOfUseSurvivesARestartAlthoughTheClockStandsStillOrGoesBack() {
        try (DiskTier tier = bench.open(3)) {
            bench.store(tier, 1);
            bench.store(tier, 2);
            bench.clock.jumpWall(-3_600_000);
            bench.store(tier, 3);
            assertThat(bench.fetch(tier, 1)).isTrue();
        }
        try (DiskTier tier = bench.open(3)) {
            bench.store(tier, 4);
            assertThat(tier.contains(key(2))).isFalse();
            assertThat(tier.contains(key(3))).isTrue();
            assertThat(tier.contains(key(1))).isTrue();
        }
        try (DiskTier tier = bench.open(3)) {
            bench.store(tier, 5);
            assertThat(tier.contains(key(3))).isFalse();
            assertThat(tier.contains(key(1))).isTrue();
        }
    }

    @Test
    void smallerBudgetKeepsTheYoungest() {
        storeAndClose(DiskBench.FINGERPRINT, 1, 2, 3, 4, 5);
        try (DiskTier tier = bench.open(2)) {
            assertThat(tier.bytesUsed()).isEqualTo(2 * chunkBytes());
            assertThat(LongStream.rangeClosed(1, 5).filter(n -> tier.contains(key(n))))
                    .containsExactly(4L, 5L);
            settle(tier);
            assertThat(bench.bytesOnDisk()).isEqualTo(2 * chunkBytes());
        }
    }

    @Test
    void chunksOfAnotherFingerprintAreIgnoredWithOneLogLine() {
        storeAndClose("another model", 1, 2, 3);
        try (Log log = new Log();
                DiskTier tier = bench.open()) {
            assertThat(tier.contains(key(1))).isFalse();
            assertThat(tier.read(-1, key(1), DiskBench.pageKeys(1), new int[] {4, 5}))
                    .isFalse();
            assertThat(tier.bytesUsed()).isZero();
            assertThat(log.with("another model or setting")).hasSize(1);
            assertThat(log.with("another model or setting").getFirst())
                    .contains("ignores 3 chunks (" + 3 * chunkBytes() + " bytes)");
            bench.store(tier, 1);
            assertThat(bench.fetch(tier, 1)).isTrue();
        }
        assertThat(bench.names()).hasSize(4);
        try (DiskTier tier = bench.open(100, "another model", DiskFiles.REAL)) {
            assertThat(bench.fetch(tier, 3)).isTrue(); // they come back with their model
        }
    }

    @Test
    void chunksOfAnotherFingerprintCountAndGoFirst() {
        storeAndClose("another model", 1, 2);
        try (DiskTier tier = bench.open(3)) {
            for (long n : List.of(5L, 6L, 7L)) {
                bench.store(tier, n);
                assertThat(bench.bytesOnDisk()).isEqualTo(3 * chunkBytes());
            }
            assertThat(List.of(5L, 6L, 7L)).allMatch(n -> tier.contains(key(n)));
            assertThat(tier.bytesUsed()).isEqualTo(3 * chunkBytes());
            settle(tier);
            assertThat(tier.hasPendingWork()).isFalse();
        }
    }

    @Test
    void anotherPageOrChunkSizeIsAnotherFingerprint() {
        storeAndClose(DiskBench.FINGERPRINT, 1);
        DiskSettings settings = DiskSettings.of(root, 100_000);
        DiskBench other = new DiskBench(root, 16, 2 * DiskBench.PAGE_BYTES);
        try (DiskTier tier = new DiskTier(settings, DiskBench.FINGERPRINT, other.pages, 2, bench.clock)) {
            assertThat(tier.contains(key(1))).isFalse();
        }
        try (DiskTier tier = new DiskTier(settings, DiskBench.FINGERPRINT, bench.pages, 4, bench.clock)) {
            assertThat(tier.contains(key(1))).isFalse();
        }
        assertThat(bench.names()).hasSize(1);
    }

    @Test
    void leftoversAndBrokenNamesAreRemovedAndForeignFilesAreNot() throws IOException {
        storeAndClose(DiskBench.FINGERPRINT, 1);
        String whole = bench.file(1).getFileName().toString();
        for (String junk : List.of(
                "writing.kvchunk.tmp",
                "seed.kvchunk.tmp",
                "x.kvchunk",
                ".kvchunk",
                whole.replace("-", "_"),
                whole.toUpperCase(java.util.Locale.ROOT).replace(".KVCHUNK", ".kvchunk"),
                "0" + whole,
                bench.file(2).getFileName().toString())) { // of zero length
            Files.createFile(root.resolve(junk));
        }
        Files.writeString(root.resolve("notes.txt"), "mine");
        Files.createDirectory(root.resolve("folder.kvchunk"));
        Path target = Files.writeString(root.resolve("target"), "not a chunk");
        Files.createSymbolicLink(bench.file(3), target);

        try (DiskTier tier = bench.open()) {
            assertThat(tier.bytesUsed()).isEqualTo(chunkBytes());
            assertThat(tier.contains(key(2))).isFalse();
            assertThat(tier.contains(key(3))).isFalse();
            assertThat(bench.fetch(tier, 1)).isTrue();
            assertThat(bench.store(tier, 3).succeeded()).isTrue();
            assertThat(bench.fetch(tier, 3)).isTrue();
        }
        assertThat(bench.names())
                .containsExactlyInAnyOrder(whole, bench.file(3).getFileName().toString(), "folder.kvchunk");
        assertThat(root.resolve("notes.txt")).hasContent("mine");
        assertThat(target).hasContent("not a chunk");
    }

    @Test
    void onlyTheOwnerCanReadWhatIsStored() throws IOException {
        bench = new DiskBench(root.resolve("new"));
        storeAndClose(DiskBench.FINGERPRINT, 1);
        if (Files.getFileStore(root).supportsFileAttributeView("posix")) {
            assertThat(java.nio.file.attribute.PosixFilePermissions.toString(
                            Files.getPosixFilePermissions(bench.file(1))))
                    .isEqualTo("rw-------");
            assertThat(java.nio.file.attribute.PosixFilePermissions.toString(
                            Files.getPosixFilePermissions(bench.directory)))
                    .isEqualTo("rwx------");
        }
    }
}
