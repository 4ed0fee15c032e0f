package dev.sluice.offload.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HashSeedFileTest {

    @TempDir
    Path root;

    @Test
    void seedIsMadeOnceAndFoundAgain() throws IOException {
        Path directory = root.resolve("a/b");
        byte[] seed = HashSeedFile.readOrCreate(directory);

        assertThat(seed).hasSize(32).isNotEqualTo(new byte[32]);
        assertThat(HashSeedFile.readOrCreate(directory)).isEqualTo(seed);
        assertThat(Files.readAllBytes(directory.resolve("seed"))).isEqualTo(seed);
        assertThat(HashSeedFile.readOrCreate(root.resolve("c"))).isNotEqualTo(seed);
    }

    @Test
    void onlyTheOwnerCanReadIt() throws IOException {
        HashSeedFile.readOrCreate(root);
        if (Files.getFileStore(root).supportsFileAttributeView("posix")) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(root.resolve("seed"))))
                    .isEqualTo("rw-------");
        }
    }

    @Test
    void damagedSeedIsReplacedWithAWarning() throws IOException {
        for (byte[] damaged : new byte[][] {{}, new byte[31], new byte[33], new byte[32]}) {
            Files.write(root.resolve("seed"), damaged);
            try (DiskBench.Log log = new DiskBench.Log()) {
                byte[] seed = HashSeedFile.readOrCreate(root);

                assertThat(log.with("damaged")).hasSize(1);
                assertThat(seed).hasSize(32).isNotEqualTo(new byte[32]);
                assertThat(HashSeedFile.readOrCreate(root)).isEqualTo(seed);
            }
        }
    }

    @Test
    void leftoverOfAnEarlierAttemptIsNoSeed() throws IOException {
        Files.write(root.resolve("seed.kvchunk.tmp"), new byte[] {1, 2, 3});

        assertThat(HashSeedFile.readOrCreate(root)).hasSize(32);
        assertThat(root.resolve("seed.kvchunk.tmp")).doesNotExist();
    }

    @Test
    void seedAndChunksLiveTogether() {
        byte[] seed = HashSeedFile.readOrCreate(root);
        DiskBench bench = new DiskBench(root);
        try (DiskTier tier = bench.open()) {
            assertThat(bench.store(tier, 1).succeeded()).isTrue();
        }
        assertThat(HashSeedFile.readOrCreate(root)).isEqualTo(seed);
        try (DiskTier tier = bench.open()) {
            assertThat(bench.fetch(tier, 1)).isTrue();
        }
    }

    @Test
    void directoryThatCannotBeUsedIsOneSentence() throws IOException {
        Path file = Files.createFile(root.resolve("file"));

        assertThatThrownBy(() -> HashSeedFile.readOrCreate(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("the disk tier cannot use the directory " + file + ": ");
    }
}
