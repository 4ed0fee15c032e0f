package dev.sluice.offload.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.KvConnector;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The fence: no block is written while a store reads it, and nothing is waited for without need. */
class TransferJobsTest {

    private final TransferJobs jobs = new TransferJobs(10);

    private long begin(boolean store, int... blocks) {
        BlockHash[] keys = new BlockHash[blocks.length];
        return jobs.begin(store, false, List.of(), blocks, new int[blocks.length], keys, 0, 0).id;
    }

    private long[] awaited() {
        TransferPlan plan = jobs.takePlan();
        jobs.verify();
        return plan.awaited();
    }

    @Test
    void aBlockThatIsWrittenWaitsForTheStoreThatReadsIt() {
        long first = begin(true, 1, 2);
        long second = begin(true, 3);
        jobs.willWrite(2);
        jobs.willWrite(1);
        jobs.willWrite(4);
        assertThat(awaited()).containsExactly(first);
        jobs.willWrite(2); // the step before has waited
        jobs.willWrite(3);
        assertThat(awaited()).containsExactly(second);
        jobs.end(first);
        jobs.end(second);
        assertThat(jobs.hasStores()).isFalse();
        jobs.verify();
    }

    @Test
    void everyStoreThatReadsTheBlockIsWaitedFor() {
        long first = begin(true, 1, 2);
        long second = begin(true, 1, 3); // another chunk with the same beginning
        long third = begin(true, 1, 4);
        jobs.end(third);
        jobs.willWrite(1);
        assertThat(awaited()).containsExactly(first, second);
        jobs.end(first);
        jobs.end(second);
        jobs.willWrite(1);
        assertThat(awaited()).isEmpty();
    }

    @Test
    void aStoreThatHasEndedIsNotWaitedFor() {
        long store = begin(true, 1, 2);
        assertThat(jobs.end(store)).isNotNull();
        jobs.willWrite(1);
        assertThat(awaited()).isEmpty();
        assertThat(jobs.end(store)).as("twice").isNull();
    }

    @Test
    void aLoadWaitsForTheStoresThatReadItsBlocksAndNobodyWaitsForALoad() {
        long store = begin(true, 1);
        long load = begin(false, 1, 2);
        TransferPlan plan = jobs.takePlan();
        assertThat(plan.awaited()).containsExactly(store);
        assertThat(plan.stores()).extracting(BlockTransfer::job).containsExactly(store);
        assertThat(plan.loads()).extracting(BlockTransfer::job).containsExactly(load);
        assertThat(load).isGreaterThan(store);
        jobs.willWrite(2);
        assertThat(jobs.takePlan()).isSameAs(TransferPlan.NONE);
        assertThat(jobs.isLoading(load)).isTrue();
        jobs.end(load);
        assertThat(jobs.isLoading(load)).isFalse();
        assertThat(jobs.isLoading(KvConnector.NO_JOB)).isFalse();
    }
}
