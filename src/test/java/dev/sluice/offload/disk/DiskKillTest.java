package dev.sluice.offload.disk;

import static dev.sluice.offload.disk.DiskBench.key;
import static dev.sluice.offload.disk.DiskBench.pageKeys;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Another process writes as fast as it can and is killed; what it leaves must be right and the lock must be free. */
class DiskKillTest {

    private static final int ROOM = 40;
    private static final long PAGE_BYTES = 64 * 1024;

    @TempDir
    Path root;

    /** The process that is killed: stores chunks for ever, and says when one is stored. */
    static final class Victim {
        private Victim() {}

        public static void main(String[] args) {
            PrintStream out =
                    new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.US_ASCII);
            DiskBench bench = new DiskBench(Path.of(args[0]), 64, PAGE_BYTES);
            try (DiskTier tier = open(bench)) {
                for (long n = Long.parseLong(args[1]); n < Long.MAX_VALUE; n++) {
                    int[] pages = bench.fill(n, (int) (n % 16) * 2); // twice as many as there are open writes
                    while (!tier.write(n, key(n), pageKeys(n), pages)) {
                        tier.poll().forEach(ended -> out.println("stored " + ended.succeeded()));
                    }
                }
            }
        }
    }

    private static long chunkBytes() {
        return 92 + 2 * 36 + 2 * PAGE_BYTES;
    }

    private static DiskTier open(DiskBench bench) {
        DiskSettings settings = new DiskSettings(bench.directory, ROOM * chunkBytes(), 8, 8, 1);
        return new DiskTier(settings, DiskBench.FINGERPRINT, bench.pages, DiskBench.PAGES_PER_CHUNK, bench.clock);
    }

    @Test
    void killedProcessLeavesADirectoryThatTheNextOneAccepts() throws IOException, InterruptedException {
        DiskBench bench = new DiskBench(root, 64, PAGE_BYTES);
        long first = 0;
        for (int round = 0; round < 3; round++) {
            Process victim = new ProcessBuilder(
                            ProcessHandle.current().info().command().orElseThrow(),
                            "-Xmx128m",
                            "-cp",
                            System.getProperty("java.class.path"),
                            Victim.class.getName(),
                            root.toString(),
                            Long.toString(first))
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            try (BufferedReader said = victim.inputReader(StandardCharsets.US_ASCII)) {
                int stored = 0;
                for (String line = said.readLine(); line != null; line = said.readLine()) {
                    stored += line.equals("stored true") ? 1 : 0;
                    if (stored == 100 + 37 * round) {
                        break;
                    }
                }
                assertThat(stored).as("stored by the victim").isEqualTo(100 + 37 * round);
                assertThatThrownBy(() -> open(bench))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage("the disk tier cannot use the directory " + root.toRealPath()
                                + ": another process is using it");
            } finally {
                victim.destroyForcibly();
                assertThat(victim.waitFor(60, TimeUnit.SECONDS)).isTrue();
            }
            checkAll(bench);
            first += 1000;
        }
    }

    /** Everything that a start takes in is right, although nothing was closed or forced. */
    private static void checkAll(DiskBench bench) {
        try (DiskTier tier = open(bench)) {
            assertThat(bench.bytesOnDisk()).isEqualTo(tier.bytesUsed()).isLessThanOrEqualTo(tier.bytesCapacity());
            assertThat(tier.bytesUsed()).isGreaterThan((ROOM - 16) * chunkBytes());
            int right = 0;
            for (long n = 0; n < 3000; n++) {
                if (tier.contains(key(n))) {
                    assertThat(bench.fetch(tier, n)).as("chunk %d", n).isTrue();
                    right++;
                }
            }
            assertThat(right * chunkBytes()).isEqualTo(tier.bytesUsed());
        }
    }
}
