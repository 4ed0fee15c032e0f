package dev.sluice.offload;

import static dev.sluice.offload.Keys.key;
import static dev.sluice.offload.Keys.keys;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.offload.ChunkCache.State;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What becomes of copies that fail, come late, or belong to what was forgotten: in both tiers, and who is told. */
class CopyResultsTest {

    private static final long LIMIT = 1_000;
    private static final int NOW = 3;
    private static final int[] NOTHING_FAILED = {};

    private final VirtualClock clock = new VirtualClock();
    private final List<String> told = new ArrayList<>();
    private final ChunkCache cache = new ChunkCache(4, new LruPolicy(), 1, 100);
    private final TransferJobs jobs = new TransferJobs(20);
    private final Disk disk = new Disk();
    private final OffloadListener listener = new OffloadListener() {
        @Override
        public void onStored(Tier tier, long bytes, long nanos) {
            told.add(tier + " stored " + bytes + " in " + nanos);
        }

        @Override
        public void onLoaded(Tier tier, long bytes, long nanos) {
            told.add(tier + " loaded " + bytes + " in " + nanos);
        }

        @Override
        public void onFailed(Tier tier, boolean load) {
            told.add(tier + (load ? " load" : " store") + " failed");
        }
    };
    private final StorageTraffic storage = new StorageTraffic(disk, guard("disk"), cache, listener, clock);

    /** A chunk has two blocks of ten bytes. */
    private final CopyResults results =
            new CopyResults(new ChunkGeometry(4, 2, 10), cache, jobs, storage, guard("host"), listener, clock);

    private TierGuard guard(String name) {
        return new TierGuard() {
            @Override
            public boolean permits() {
                return true;
            }

            @Override
            public void succeeded(long nanos) {
                told.add(name + " works");
            }

            @Override
            public void failed(long nanos) {
                told.add(name + " fails");
            }

            @Override
            public long timeLimitNanos() {
                return LIMIT;
            }
        };
    }

    /** Takes everything, and ends what a test says. */
    private static final class Disk implements StorageTier {
        private final Set<BlockHash> writes = new HashSet<>();
        private final List<Ended> ended = new ArrayList<>();

        @Override
        public boolean contains(BlockHash key) {
            return false;
        }

        @Override
        public boolean write(BlockHash key, BlockHash[] pageKeys, int[] pages) {
            return writes.add(key);
        }

        @Override
        public boolean read(BlockHash key, BlockHash[] pageKeys, int[] pages) {
            return true;
        }

        @Override
        public List<Ended> poll() {
            List<Ended> result = List.copyOf(ended);
            ended.clear();
            return result;
        }

        @Override
        public boolean hasPendingWork() {
            return false;
        }

        @Override
        public long bytesUsed() {
            return 7;
        }

        @Override
        public long bytesCapacity() {
            return 9;
        }

        @Override
        public void reset() {}

        @Override
        public void close() {}
    }

    private long store(int generation, int... chunks) {
        cache.prepareStore(keys(chunks));
        return begin(true, false, generation, chunks, 2 * chunks.length);
    }

    private long load(boolean beforeStep, int blocks, int... chunks) {
        for (int chunk : chunks) {
            cache.beginLoad(key(chunk));
        }
        return begin(false, beforeStep, NOW, chunks, blocks);
    }

    /** Blocks 10, 11, and so on. */
    private long begin(boolean store, boolean beforeStep, int generation, int[] chunks, int count) {
        int[] blocks = new int[count];
        java.util.Arrays.setAll(blocks, i -> 10 + i);
        BlockHash[] keys = new BlockHash[count];
        long now = clock.monotonicNanos();
        return jobs.begin(store, beforeStep, keys(chunks), blocks, new int[count], keys, now, generation).id;
    }

    private @Nullable LoadReport end(long job, int... failed) {
        return results.apply(List.of(new FinishedTransfer(job, failed, 5)), NOW);
    }

    /** Chunks that are whole in host memory, with nothing to be told of them. */
    private void present(int... chunks) {
        end(store(NOW, chunks), NOTHING_FAILED);
        for (int chunk : chunks) {
            disk.ended.add(new StorageTier.Ended(key(chunk), false, true, 20, 6));
        }
        storage.poll(NOW);
        told.clear();
    }

    @Test
    void aStoreIsReadableAndGoesOnToTheDisk() {
        LoadReport report = end(store(NOW, 1, 2), NOTHING_FAILED);
        assertThat(report).isSameAs(LoadReport.NONE);
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
        assertThat(told).containsExactly("HOST stored 40 in 5", "host works");
        assertThat(disk.writes).containsExactlyInAnyOrder(key(1), key(2));
        assertThat(storage.openCount()).isEqualTo(2);
        assertThat(cache.pinned()).isEqualTo(2);
    }

    @Test
    void ofAStoreThatFailedInPartTheRestIsKept() {
        end(store(NOW, 1, 2), 2);
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
        assertThat(cache.lookup(key(2))).isEqualTo(State.ABSENT);
        assertThat(disk.writes).containsExactly(key(1));
        assertThat(told).containsExactly("HOST store failed", "host fails");
    }

    @Test
    void aStoreOfBeforeAResetIsNotKept() {
        end(store(NOW - 1, 1), NOTHING_FAILED);
        assertThat(cache.lookup(key(1))).isEqualTo(State.ABSENT);
        assertThat(disk.writes).isEmpty();
    }

    @Test
    void blocksThatWereNotLoadedAreNamedAndTheirChunksAreGone() {
        present(1, 2);
        long job = load(false, 3, 1, 2); // of the first chunk the second half
        LoadReport report = end(job, 0, 2);
        assertThat(report.invalidBlocks()).containsExactly(10, 12);
        assertThat(report.received()).containsExactly(job);
        assertThat(cache.lookup(key(1))).isEqualTo(State.ABSENT);
        assertThat(cache.lookup(key(2))).isEqualTo(State.ABSENT);
        assertThat(cache.pinned()).isZero();
        assertThat(told).containsExactly("HOST load failed", "host fails");
        assertThat(end(99)).as("what was told is not told again").isSameAs(LoadReport.NONE);
        assertThat(results.lateCompletions()).isEqualTo(1);
    }

    @Test
    void aChunkWhoseBlocksAllCameStays() {
        present(1, 2);
        LoadReport report = end(load(false, 3, 1, 2), 0);
        assertThat(report.invalidBlocks()).containsExactly(10);
        assertThat(cache.lookup(key(1))).isEqualTo(State.ABSENT);
        assertThat(cache.lookup(key(2))).isEqualTo(State.READY);
    }

    @Test
    void aLoadOfTheStepIsNoNews() {
        present(1);
        assertThat(end(load(true, 2, 1), NOTHING_FAILED)).isSameAs(LoadReport.NONE);
        assertThat(cache.isBeingLoaded(key(1))).isFalse();
        assertThat(told).containsExactly("HOST loaded 20 in 5", "host works");
    }

    @Test
    void aLoadThatTakesTooLongIsGivenUpOnceAndEndsInSilence() {
        present(1);
        long job = load(false, 2, 1);
        clock.advanceNanos(LIMIT);
        assertThat(results.apply(List.of(), NOW)).as("at the limit").isSameAs(LoadReport.NONE);
        clock.advanceNanos(1);
        assertThat(results.apply(List.of(), NOW).abandoned()).containsExactly(job);
        assertThat(told).containsExactly("host fails", "HOST load failed");
        assertThat(cache.isBeingLoaded(key(1))).isFalse();
        assertThat(cache.pinned()).as("the copy still reads it").isEqualTo(1);
        assertThat(results.apply(List.of(), NOW)).isSameAs(LoadReport.NONE);
        told.clear();
        LoadReport report = end(job, 1);
        assertThat(report.received()).containsExactly(job);
        assertThat(report.invalidBlocks())
                .as("the blocks are nobody's any more")
                .isEmpty();
        assertThat(told).as("the breaker has heard of it").containsExactly("HOST load failed");
        assertThat(cache.pinned()).isZero();
    }

    @Test
    void aStoreThatTakesTooLongIsHiddenUntilItIsWritten() {
        long job = store(NOW, 1);
        clock.advanceNanos(LIMIT + 1);
        assertThat(results.apply(List.of(), NOW)).isSameAs(LoadReport.NONE);
        assertThat(cache.lookup(key(1))).isEqualTo(State.ABSENT);
        assertThat(told).containsExactly("host fails", "HOST store failed");
        end(job, NOTHING_FAILED);
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
    }

    private void read(int chunk, int generation) {
        assertThat(cache.prepareFetch(key(chunk), List.of(), 1)).isTrue();
        assertThat(storage.read(key(chunk), new BlockHash[2], new int[2], generation))
                .isTrue();
    }

    private boolean endRead(int chunk, boolean succeeded) {
        disk.ended.add(new StorageTier.Ended(key(chunk), true, succeeded, 20, 6));
        return storage.poll(NOW);
    }

    @Test
    void whatTheDiskGivesBackIsReadableIfItIsWholeAndOfToday() {
        read(1, NOW);
        read(2, NOW);
        read(3, NOW - 1);
        assertThat(storage.poll(NOW)).isFalse();
        assertThat(endRead(1, true)).isTrue();
        assertThat(endRead(2, false)).isTrue();
        assertThat(endRead(3, true)).isTrue();
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
        assertThat(cache.lookup(key(2))).isEqualTo(State.ABSENT);
        assertThat(cache.lookup(key(3))).isEqualTo(State.ABSENT);
        assertThat(told)
                .containsExactly(
                        "STORAGE loaded 20 in 6",
                        "disk works",
                        "STORAGE load failed",
                        "disk fails",
                        "STORAGE loaded 20 in 6",
                        "disk works");
        assertThat(storage.hasPendingWork()).isFalse();
    }

    @Test
    void aDiskThatTakesTooLongHasFailedOnceAndMayStillDeliver() {
        read(1, NOW);
        clock.advanceNanos(LIMIT);
        storage.poll(NOW);
        assertThat(told).as("at the limit").isEmpty();
        clock.advanceNanos(1);
        storage.poll(NOW);
        storage.poll(NOW);
        assertThat(told).containsExactly("disk fails");
        assertThat(cache.lookup(key(1))).isEqualTo(State.ABSENT);
        endRead(1, true);
        assertThat(told).containsExactly("disk fails", "STORAGE loaded 20 in 6");
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
    }

    @Test
    void aWriteKeepsItsChunkUntilItEndsHoweverItEnds() {
        end(store(NOW, 1, 2), NOTHING_FAILED);
        told.clear();
        disk.ended.add(new StorageTier.Ended(key(1), false, true, 20, 6));
        disk.ended.add(new StorageTier.Ended(key(2), false, false, 0, 6));
        disk.ended.add(new StorageTier.Ended(key(9), false, true, 20, 6)); // of nobody
        storage.poll(NOW);
        assertThat(cache.pinned()).isZero();
        assertThat(told).containsExactly("STORAGE stored 20 in 6", "disk works", "STORAGE store failed", "disk fails");
        assertThat(storage.bytesUsed()).isEqualTo(7);
        assertThat(storage.bytesCapacity()).isEqualTo(9);
    }
}
