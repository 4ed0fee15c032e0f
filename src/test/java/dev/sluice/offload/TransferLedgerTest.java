package dev.sluice.offload;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * The ledger of transfers: no block is written while a store reads it, nothing is waited for without need, and every
 * transfer of every tier counts once, whichever tier it is.
 */
class TransferLedgerTest {

    private static final long LIMIT = 100;

    private final List<String> told = new ArrayList<>();
    private final OffloadListener listener = new OffloadListener() {
        @Override
        public void onStored(String tier, long bytes, long nanos) {
            told.add(tier + " stored " + bytes);
        }

        @Override
        public void onLoaded(String tier, long bytes, long nanos) {
            told.add(tier + " loaded " + bytes);
        }

        @Override
        public void onFailed(String tier, boolean load) {
            told.add(tier + (load ? " load" : " store") + " failed");
        }
    };

    private final VirtualClock clock = new VirtualClock();
    private final Tier host = new Tier("host", guard("host", Long.MAX_VALUE));
    private final TransferLedger ledger = new TransferLedger(10, 64, listener, clock);

    private TierGuard guard(String name, long limit) {
        return new TierGuard() {
            @Override
            public boolean permits() {
                return true;
            }

            @Override
            public void succeeded(long nanos) {
                told.add(name + " is well");
            }

            @Override
            public void failed(long nanos) {
                told.add(name + " is ill");
            }

            @Override
            public long timeLimitNanos() {
                return limit;
            }
        };
    }

    private long begin(boolean store, int... blocks) {
        BlockHash[] keys = new BlockHash[blocks.length];
        return ledger.beginCopy(host, !store, false, List.of(), blocks, new int[blocks.length], keys)
                .job();
    }

    private @Nullable Transfer end(long job) {
        return ledger.end(new FinishedTransfer(job, new int[0], 1));
    }

    private long[] awaited() {
        TransferPlan plan = ledger.takePlan();
        ledger.verify();
        return plan.awaited();
    }

    @Test
    void aBlockThatIsWrittenWaitsForTheStoreThatReadsIt() {
        long first = begin(true, 1, 2);
        long second = begin(true, 3);
        ledger.willWrite(2);
        ledger.willWrite(1);
        ledger.willWrite(4);
        assertThat(awaited()).containsExactly(first);
        ledger.willWrite(2); // the step before has waited
        ledger.willWrite(3);
        assertThat(awaited()).containsExactly(second);
        end(first);
        end(second);
        assertThat(ledger.hasStores()).isFalse();
        ledger.verify();
    }

    @Test
    void everyStoreThatReadsTheBlockIsWaitedFor() {
        long first = begin(true, 1, 2);
        long second = begin(true, 1, 3); // another chunk with the same beginning
        long third = begin(true, 1, 4);
        end(third);
        ledger.willWrite(1);
        assertThat(awaited()).containsExactly(first, second);
        end(first);
        end(second);
        ledger.willWrite(1);
        assertThat(awaited()).isEmpty();
    }

    @Test
    void aStoreThatHasEndedIsNotWaitedFor() {
        long store = begin(true, 1, 2);
        assertThat(end(store)).isNotNull();
        ledger.willWrite(1);
        assertThat(awaited()).isEmpty();
        assertThat(end(store)).as("twice").isNull();
        assertThat(ledger.lateCompletions()).isEqualTo(1);
    }

    @Test
    void aLoadWaitsForTheStoresThatReadItsBlocksAndNobodyWaitsForALoad() {
        long store = begin(true, 1);
        long load = begin(false, 1, 2);
        TransferPlan plan = ledger.takePlan();
        assertThat(plan.awaited()).containsExactly(store);
        assertThat(plan.stores()).extracting(BlockTransfer::job).containsExactly(store);
        assertThat(plan.loads()).extracting(BlockTransfer::job).containsExactly(load);
        assertThat(load).isGreaterThan(store);
        ledger.willWrite(2);
        assertThat(ledger.takePlan()).isSameAs(TransferPlan.NONE);
        assertThat(ledger.isUnderWay(load)).isTrue();
        end(load);
        assertThat(ledger.isUnderWay(load)).isFalse();
        assertThat(ledger.isUnderWay(KvConnector.NO_JOB)).isFalse();
    }

    @Test
    void everyTierIsToldOfItsOwnTransfers() {
        Tier remote = new Tier("remote", guard("remote", LIMIT));
        long store = begin(true, 1, 2);
        Transfer read = ledger.begin(remote, true, new BlockHash(1, 0, 0, 0));
        Transfer write = ledger.begin(remote, false, new BlockHash(2, 0, 0, 0));
        ledger.withdraw(ledger.begin(remote, false, new BlockHash(3, 0, 0, 0)));
        end(store);
        ledger.end(new StorageTier.Ended(read.job(), true, 500, 1));
        ledger.end(new StorageTier.Ended(write.job(), false, 0, 1));
        assertThat(told)
                .containsExactly(
                        "host stored 128",
                        "host is well",
                        "remote loaded 500",
                        "remote is well",
                        "remote store failed",
                        "remote is ill");
        assertThat(ledger.openCount()).isZero();
        assertThat(ledger.lateCompletions()).isZero();
    }

    /** Device or storage, well in the end or not: it failed when it was given up, and does not fail again. */
    @Test
    void whatIsGivenUpHasFailedOnce() {
        Tier slow = new Tier("slow", guard("slow", LIMIT));
        int[] pages = {0};
        BlockHash[] keys = {new BlockHash(1, 0, 0, 0)};
        Transfer copy = ledger.beginCopy(slow, true, false, List.of(), new int[] {1}, pages, keys);
        Transfer read = ledger.begin(slow, true, keys[0]);
        long patient = begin(false, 2);
        clock.advanceNanos(LIMIT);
        assertThat(ledger.giveUpOverdue()).isEmpty();
        clock.advanceNanos(1);
        assertThat(ledger.giveUpOverdue()).extracting(Transfer::job).containsExactly(copy.job(), read.job());
        assertThat(ledger.giveUpOverdue()).as("once").isEmpty();
        assertThat(ledger.isUnderWay(copy.job())).isFalse();
        assertThat(ledger.isUnderWay(patient)).isTrue();
        assertThat(told).containsExactly("slow load failed", "slow is ill", "slow load failed", "slow is ill");
        told.clear();
        ledger.end(new FinishedTransfer(copy.job(), new int[] {0}, 1));
        ledger.end(new StorageTier.Ended(read.job(), true, 64, 1));
        assertThat(told).as("the bytes have come after all").containsExactly("slow loaded 64");
        assertThat(ledger.openCount()).isEqualTo(1);
    }

    @Test
    void aResetTakesTheEffectFromWhatWasBegunBefore() {
        Transfer before = ledger.begin(host, true, new BlockHash(1, 0, 0, 0));
        ledger.reset();
        Transfer after = ledger.begin(host, true, new BlockHash(1, 0, 0, 0));
        assertThat(ledger.isCurrent(before)).isFalse();
        assertThat(ledger.isCurrent(after)).isTrue();
        ledger.end(new StorageTier.Ended(before.job(), false, 0, 1));
        assertThat(told).as("no tier is ill because of a reset").containsExactly("host load failed");
        ledger.end(new StorageTier.Ended(after.job(), false, 0, 1));
        assertThat(told).containsExactly("host load failed", "host load failed", "host is ill");
    }
}
