package dev.sluice.offload.disk;

import static dev.sluice.offload.disk.DiskBench.chunkBytes;
import static dev.sluice.offload.disk.DiskBench.key;
import static dev.sluice.offload.disk.DiskBench.settle;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.offload.disk.DiskBench.Log;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Chunk 2 is damaged in some way; it must be neither used nor kept, and chunk 1 beside it must not suffer. */
class DiskDamageTest {

    @TempDir
    Path root;

    private DiskBench bench;
    private byte[] whole = new byte[0];

    @BeforeEach
    void storeTwo() throws IOException {
        bench = new DiskBench(root);
        try (DiskTier tier = bench.open()) {
            bench.store(tier, 1);
            bench.store(tier, 2);
        }
        whole = Files.readAllBytes(bench.file(2));
        assertThat(whole).hasSize((int) chunkBytes());
    }

    /** Both ways to meet it: found at a start, and changed under a running tier. */
    private void mustNotBeUsed(byte[] damaged, String how) throws IOException {
        Files.write(bench.file(2), damaged);
        try (DiskTier tier = bench.open()) {
            check(tier, how + ", at start");
        }
        Files.write(bench.file(2), whole);
        try (DiskTier tier = bench.open()) {
            Files.write(bench.file(2), damaged);
            check(tier, how + ", while running");
            assertThat(bench.store(tier, 2).succeeded()).as(how).isTrue();
            assertThat(bench.fetch(tier, 2)).as(how).isTrue();
        }
        assertThat(Files.readAllBytes(bench.file(2))).isEqualTo(whole);
    }

    private void check(DiskTier tier, String how) {
        assertThat(bench.fetch(tier, 2)).as(how).isFalse();
        assertThat(tier.contains(key(2))).as(how).isFalse();
        settle(tier);
        assertThat(bench.file(2)).as(how).doesNotExist();
        assertThat(tier.bytesUsed()).as(how).isEqualTo(chunkBytes());
        assertThat(bench.fetch(tier, 1)).as(how).isTrue();
    }

    @Test
    void truncatedOrGrownFileIsNeverUsed() throws IOException {
        int header = 92 + 2 * 36;
        int page = (int) DiskBench.PAGE_BYTES;
        for (int size : new int[] {
            0,
            1,
            7,
            8,
            12,
            16,
            24,
            56,
            87,
            88,
            92,
            120,
            124,
            160,
            header - 1,
            header,
            header + 1,
            header + page - 1,
            header + page,
            header + page + 1,
            whole.length - 1,
            whole.length + 1,
            whole.length + page + 36,
            2 * whole.length
        }) {
            mustNotBeUsed(Arrays.copyOf(whole, size), "size " + size);
        }
    }

    @Test
    void flippedBitInAnyByteOfTheHeaderAndAnyRegionOfThePagesIsFound() throws IOException {
        Random random = new Random(5);
        int header = 92 + 2 * 36;
        for (int at = 0; at < whole.length; at += at < header ? 1 : 1 + random.nextInt(40)) {
            byte[] damaged = whole.clone();
            damaged[at] ^= (byte) (1 << random.nextInt(8));
            mustNotBeUsed(damaged, "byte " + at);
        }
        byte[] last = whole.clone();
        last[whole.length - 1] ^= 1;
        mustNotBeUsed(last, "last byte");
    }

    @Test
    void zeroesAsAfterAPowerFailureAreNeverUsed() throws IOException {
        mustNotBeUsed(new byte[whole.length], "all zero");
        byte[] tail = whole.clone();
        Arrays.fill(tail, 300, tail.length, (byte) 0);
        mustNotBeUsed(tail, "zero tail");
        byte[] noise = new byte[whole.length];
        new Random(1).nextBytes(noise);
        mustNotBeUsed(noise, "noise");
    }

    @Test
    void wholeChunkUnderAnotherChunksNameIsNeverUsed() throws IOException {
        mustNotBeUsed(Files.readAllBytes(bench.file(1)), "chunk 1 named 2");
    }

    @Test
    void swappedPagesAreFound() throws IOException {
        byte[] swapped = whole.clone();
        int header = 92 + 2 * 36;
        int page = (int) DiskBench.PAGE_BYTES;
        System.arraycopy(whole, header, swapped, header + page, page);
        System.arraycopy(whole, header + page, swapped, header, page);
        mustNotBeUsed(swapped, "swapped pages");
    }

    @Test
    void wholeChunkOfAnotherFingerprintUnderOurNameIsNeverUsed() throws IOException {
        Path elsewhere = root.resolve("elsewhere");
        DiskBench other = new DiskBench(elsewhere);
        try (DiskTier tier = other.open(100, "another model", DiskFiles.REAL)) {
            other.store(tier, 2);
        }
        Path stranger = elsewhere.resolve(other.names().getFirst());
        mustNotBeUsed(Files.readAllBytes(stranger), "another model's");
    }

    @Test
    void fileThatSomebodyDeletedIsAFailedReadOnce() throws IOException {
        try (DiskTier tier = bench.open()) {
            Files.delete(bench.file(2));
            check(tier, "deleted");
        }
    }

    @Test
    void otherPagesAskedForThanStoredIsAFailedRead() {
        try (DiskTier tier = bench.open()) {
            assertThat(tier.read(-2, key(2), DiskBench.pageKeys(1), new int[] {4, 5}))
                    .isTrue();
            assertThat(DiskBench.await(tier, 1).getFirst().succeeded()).isFalse();
        }
    }

    @Test
    void manyDamagedFilesGiveOneWarningAMinute() throws IOException {
        try (Log log = new Log();
                DiskTier tier = bench.open()) {
            for (int n = 3; n <= 6; n++) {
                bench.store(tier, n);
                Files.copy(bench.file(1), bench.file(n), StandardCopyOption.REPLACE_EXISTING);
            }
            for (int n = 3; n <= 5; n++) {
                assertThat(bench.fetch(tier, n)).isFalse();
            }
            assertThat(log.with("cannot use a chunk")).hasSize(1);
            bench.clock.advanceNanos(60_000_000_000L);
            assertThat(bench.fetch(tier, 6)).isFalse();
            assertThat(log.with("cannot use a chunk")).hasSize(2);
            assertThat(log.with("cannot use a chunk").getLast()).contains("happened 3 times");
        }
    }
}
