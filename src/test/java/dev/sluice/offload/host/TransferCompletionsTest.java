package dev.sluice.offload.host;

import static dev.sluice.offload.host.Keys.key;
import static dev.sluice.offload.host.Keys.keys;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.offload.GuardedStorage;
import dev.sluice.offload.LoadReport;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.offload.TransferLedger;
import dev.sluice.offload.host.ChunkCache.State;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What becomes of copies that fail, come late, or belong to what was forgotten: in both tiers, and who is told. */
class TransferCompletionsTest {

    private static final long LIMIT = 1_000;
    private static final int[] NOTHING_FAILED = {};

    private final VirtualClock clock = new VirtualClock();
    private final List<String> told = new ArrayList<>();
    private final ChunkCache cache = new ChunkCache(4, new LruPolicy(), 1, 100);
    private final Disk disk = new Disk();
    private final OffloadListener listener = new OffloadListener() {
        @Override
        public void onStored(String tier, long bytes, long nanos) {
            told.add(tier + " stored " + bytes + " in " + nanos);
        }

        @Override
        public void onLoaded(String tier, long bytes, long nanos) {
            told.add(tier + " loaded " + bytes + " in " + nanos);
        }

        @Override
        public void onFailed(String tier, boolean load) {
            told.add(tier + (load ? " load" : " store") + " failed");
        }
    };
    private final Tier host = new Tier("host", guard("host"));
    private final GuardedStorage guarded = new GuardedStorage(new Tier("disk", guard("disk")), disk);
    private final TransferLedger ledger = new TransferLedger(20, 10, listener, clock);
    private final StorageTiers storage = new StorageTiers(List.of(guarded), cache, ledger);

    /** A chunk has two blocks of ten bytes. */
    private final TransferCompletions completions =
            new TransferCompletions(new ChunkGeometry(4, 2, 10), cache, ledger, storage);

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
        private final Map<BlockHash, Long> jobs = new HashMap<>();
        private final List<Ended> ended = new ArrayList<>();

        @Override
        public Lookup lookup(BlockHash key) {
            return Lookup.MISS;
        }

        @Override
        public boolean write(long job, BlockHash key, BlockHash[] pageKeys, int[] pages) {
            return jobs.put(key, job) == null;
        }

        @Override
        public boolean read(long job, BlockHash key, BlockHash[] pageKeys, int[] pages) {
            return jobs.put(key, job) == null;
        }

        @Override
        public List<Ended> poll() {
            List<Ended> result = List.copyOf(ended);
            ended.clear();
            return result;
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

    private long store(int... chunks) {
        cache.prepareStore(keys(chunks));
        return begin(true, false, chunks, 2 * chunks.length);
    }

    private long load(boolean beforeStep, int blocks, int... chunks) {
        for (int chunk : chunks) {
            cache.beginLoad(key(chunk));
        }
        return begin(false, beforeStep, chunks, blocks);
    }

    /** Blocks 10, 11, and so on. */
    private long begin(boolean store, boolean beforeStep, int[] chunks, int count) {
        int[] blocks = new int[count];
        java.util.Arrays.setAll(blocks, i -> 10 + i);
        BlockHash[] keys = new BlockHash[count];
        return ledger.beginCopy(host, !store, beforeStep, keys(chunks), blocks, new int[count], keys)
                .job();
    }

    private LoadReport end(long job, int... failed) {
        return completions.apply(List.of(new FinishedTransfer(job, failed, 5)));
    }

    private void endOnDisk(int chunk, boolean succeeded) {
        Long job = disk.jobs.remove(key(chunk));
        disk.ended.add(new StorageTier.Ended(job == null ? 99 : job, succeeded, succeeded ? 20 : 0, 6));
    }

    /** Chunks that are whole in host memory, with nothing to be told of them. */
    private void present(int... chunks) {
        end(store(chunks), NOTHING_FAILED);
        for (int chunk : chunks) {
            endOnDisk(chunk, true);
        }
        completions.poll();
        told.clear();
    }

    @Test
    void aStoreIsReadableAndGoesOnToTheDisk() {
        LoadReport report = end(store(1, 2), NOTHING_FAILED);
        assertThat(report).isSameAs(LoadReport.NONE);
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
        assertThat(told).containsExactly("host stored 40 in 5", "host works");
        assertThat(disk.jobs).containsOnlyKeys(key(1), key(2));
        assertThat(ledger.openCount()).isEqualTo(2);
        assertThat(cache.pinned()).isEqualTo(2);
    }

    @Test
    void ofAStoreThatFailedInPartTheRestIsKept() {
        end(store(1, 2), 2);
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
        assertThat(cache.lookup(key(2))).isEqualTo(State.ABSENT);
        assertThat(disk.jobs).containsOnlyKeys(key(1));
        assertThat(told).containsExactly("host store failed", "host fails");
    }

    @Test
    void aStoreOfBeforeAResetIsNotKept() {
        long job = store(1);
        ledger.reset();
        end(job, NOTHING_FAILED);
        assertThat(cache.lookup(key(1))).isEqualTo(State.ABSENT);
        assertThat(disk.jobs).isEmpty();
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
        assertThat(told).containsExactly("host load failed", "host fails");
        assertThat(end(99)).as("what was told is not told again").isSameAs(LoadReport.NONE);
        assertThat(ledger.lateCompletions()).isEqualTo(1);
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
        assertThat(told).containsExactly("host loaded 20 in 5", "host works");
    }

    @Test
    void aLoadThatTakesTooLongIsGivenUpOnceAndEndsInSilence() {
        present(1);
        long job = load(false, 2, 1);
        clock.advanceNanos(LIMIT);
        assertThat(completions.apply(List.of())).as("at the limit").isSameAs(LoadReport.NONE);
        clock.advanceNanos(1);
        assertThat(completions.apply(List.of()).abandoned()).containsExactly(job);
        assertThat(told).containsExactly("host load failed", "host fails");
        assertThat(cache.isBeingLoaded(key(1))).isFalse();
        assertThat(cache.pinned()).as("the copy still reads it").isEqualTo(1);
        assertThat(completions.apply(List.of())).isSameAs(LoadReport.NONE);
        told.clear();
        LoadReport report = end(job, 1);
        assertThat(report.received()).containsExactly(job);
        assertThat(report.invalidBlocks())
                .as("the blocks are nobody's any more")
                .isEmpty();
        assertThat(told).as("it has counted as failed").isEmpty();
        assertThat(cache.pinned()).isZero();
    }

    @Test
    void aStoreThatTakesTooLongIsHiddenUntilItIsWritten() {
        long job = store(1);
        clock.advanceNanos(LIMIT + 1);
        assertThat(completions.apply(List.of())).isSameAs(LoadReport.NONE);
        assertThat(cache.lookup(key(1))).isEqualTo(State.ABSENT);
        assertThat(told).containsExactly("host store failed", "host fails");
        end(job, NOTHING_FAILED);
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
    }

    private void read(int chunk) {
        assertThat(cache.prepareFetch(key(chunk), List.of(), 1, guarded.tier())).isTrue();
        assertThat(storage.read(guarded, key(chunk), new BlockHash[2], new int[2]))
                .isTrue();
    }

    private boolean endRead(int chunk, boolean succeeded) {
        endOnDisk(chunk, succeeded);
        return completions.poll();
    }

    @Test
    void whatTheDiskGivesBackIsReadableIfItIsWholeAndOfToday() {
        read(3);
        ledger.reset();
        read(1);
        read(2);
        assertThat(completions.poll()).isFalse();
        assertThat(endRead(1, true)).isTrue();
        assertThat(endRead(2, false)).isTrue();
        assertThat(endRead(3, true)).isTrue();
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
        assertThat(cache.lookup(key(2))).isEqualTo(State.ABSENT);
        assertThat(cache.lookup(key(3))).isEqualTo(State.ABSENT);
        assertThat(told)
                .containsExactly(
                        "disk loaded 20 in 6",
                        "disk works",
                        "disk load failed",
                        "disk fails",
                        "disk loaded 20 in 6",
                        "disk works");
        assertThat(ledger.openCount()).isZero();
    }

    @Test
    void aDiskThatTakesTooLongHasFailedOnceAndMayStillDeliver() {
        read(1);
        clock.advanceNanos(LIMIT);
        completions.apply(List.of());
        assertThat(told).as("at the limit").isEmpty();
        clock.advanceNanos(1);
        completions.apply(List.of());
        completions.apply(List.of());
        assertThat(told).containsExactly("disk load failed", "disk fails");
        assertThat(cache.lookup(key(1))).isEqualTo(State.ABSENT);
        endRead(1, true);
        assertThat(told).containsExactly("disk load failed", "disk fails", "disk loaded 20 in 6");
        assertThat(cache.lookup(key(1))).isEqualTo(State.READY);
    }

    @Test
    void aWriteKeepsItsChunkUntilItEndsHoweverItEnds() {
        end(store(1, 2), NOTHING_FAILED);
        told.clear();
        endOnDisk(1, true);
        endOnDisk(2, false);
        endOnDisk(9, true); // of nobody
        completions.poll();
        assertThat(cache.pinned()).isZero();
        assertThat(told).containsExactly("disk stored 20 in 6", "disk works", "disk store failed", "disk fails");
    }
}
