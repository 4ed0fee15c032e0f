package dev.sluice.offload.disk;

import static dev.sluice.offload.disk.DiskBench.chunkBytes;
import static dev.sluice.offload.disk.DiskBench.key;
import static dev.sluice.offload.disk.DiskBench.pageKeys;
import static dev.sluice.offload.disk.DiskBench.settle;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.offload.StorageTier;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Thousands of chunks under full load, with damage, resets and restarts; every page and every report is checked. */
class DiskAuditTest {

    private static final int ROOM = 300;
    private static final int KEYS = 900;
    private static final int SLOTS = 32;

    private record Open(int slot, long n, int life) {}

    @TempDir
    Path root;

    private final Random random = new Random(2026);
    private final Deque<Integer> free = new ArrayDeque<>();
    private final Map<Long, Open> open = new HashMap<>();
    private int life;
    private int written;
    private int read;
    private int failed;

    @Test
    void nothingWrongIsEverReadAndNoReportIsLostOrDoubled() throws IOException {
        DiskBench bench = new DiskBench(root, 2 * SLOTS, DiskBench.PAGE_BYTES);
        for (int slot = 0; slot < SLOTS; slot++) {
            free.add(slot);
        }
        DiskTier tier = bench.open(ROOM);
        for (int step = 0; written < 4000 || read < 4000; step++) {
            assertThat(step).isLessThan(50_000_000);
            long n = random.nextInt(KEYS);
            if (free.isEmpty()) {
                Thread.yield();
            } else if (random.nextInt(3) == 0) {
                begin(tier, bench, n, true);
            } else {
                begin(tier, bench, n, false);
            }
            collect(tier, bench);
            assertThat(tier.bytesUsed()).isBetween(0L, ROOM * chunkBytes());
            int chance = random.nextInt(20_000);
            if (chance < 20) {
                damage(bench, n);
            } else if (chance == 20) {
                tier.reset();
                life++;
            } else if (chance == 21) {
                tier = restart(tier, bench);
            }
        }
        restart(tier, bench).close();
        assertThat(failed).isPositive();
    }

    private void begin(DiskTier tier, DiskBench bench, long n, boolean reading) {
        int slot = free.removeFirst();
        int[] pages = {2 * slot, 2 * slot + 1};
        boolean expected = tier.contains(key(n));
        boolean taken;
        if (reading) {
            bench.wipe(2 * slot);
            taken = tier.read(-n - 1, key(n), pageKeys(n), pages);
            assertThat(taken && !expected).isFalse();
        } else {
            bench.fill(n, 2 * slot);
            taken = tier.write(n + 1, key(n), pageKeys(n), pages);
            assertThat(taken && expected).isFalse();
        }
        if (taken) {
            assertThat(open.put(reading ? -n - 1 : n + 1, new Open(slot, n, life)))
                    .isNull();
        } else {
            free.addLast(slot);
        }
    }

    private void collect(DiskTier tier, DiskBench bench) {
        for (StorageTier.Ended ended : tier.poll()) {
            Open mine = open.remove(ended.job());
            assertThat(mine).as("operation of %s", ended).isNotNull();
            free.addLast(mine.slot);
            if (!ended.succeeded()) {
                failed++;
                continue;
            }
            assertThat(mine.life).isEqualTo(life);
            if (ended.job() < 0) {
                assertThat(bench.holds(mine.n, 2 * mine.slot)).as("%s", ended).isTrue();
                read++;
            } else {
                written++;
            }
        }
    }

    private void damage(DiskBench bench, long n) throws IOException {
        Path file = bench.file(n);
        if (Files.exists(file)) {
            byte[] junk = new byte[random.nextInt((int) chunkBytes())];
            random.nextBytes(junk);
            Path beside = Files.write(root.resolve("damage"), junk);
            Files.move(beside, file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private DiskTier restart(DiskTier tier, DiskBench bench) {
        if (random.nextBoolean()) {
            DiskBench.await(() -> {
                collect(tier, bench);
                return !tier.hasPendingWork();
            });
        }
        tier.close();
        collect(tier, bench);
        assertThat(free).hasSize(SLOTS);
        assertThat(open).isEmpty();
        DiskTier next = bench.open(ROOM);
        settle(next);
        assertThat(bench.bytesOnDisk()).isEqualTo(next.bytesUsed());
        return next;
    }
}
