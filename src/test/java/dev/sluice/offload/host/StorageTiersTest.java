package dev.sluice.offload.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.ExternalMatch;
import dev.sluice.offload.GuardedStorage;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.StepView;
import dev.sluice.offload.StorageTier;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.request.TokensByTier;
import dev.sluice.testkit.VirtualClock;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Two tiers behind a host memory of two chunks: what goes where, and what comes back from where. */
class StorageTiersTest {

    private static final long LIMIT = 1000;

    /** Keeps keys only, and does what it is told when it is told. */
    private static final class Keeper implements StorageTier {
        private final Set<BlockHash> keys = new HashSet<>();
        private final Map<Long, BlockHash> writes = new HashMap<>();
        private final List<Long> reads = new ArrayList<>();
        private boolean asksAgain;
        private boolean busy;
        private int readsRefused;
        private boolean closed;

        @Override
        public Lookup lookup(BlockHash key) {
            return asksAgain ? Lookup.ASK_AGAIN : keys.contains(key) ? Lookup.HIT : Lookup.MISS;
        }

        @Override
        public boolean write(long job, BlockHash key, BlockHash[] pageKeys, int[] pages) {
            return !busy && writes.put(job, key) == null;
        }

        @Override
        public boolean read(long job, BlockHash key, BlockHash[] pageKeys, int[] pages) {
            return !busy && readsRefused-- <= 0 && reads.add(job);
        }

        @Override
        public List<Ended> poll() {
            List<Ended> ended = new ArrayList<>();
            writes.forEach((job, key) -> ended.add(new Ended(job, keys.add(key), 64, 1)));
            reads.forEach(job -> ended.add(new Ended(job, true, 64, 1)));
            writes.clear();
            reads.clear();
            return ended;
        }

        @Override
        public long bytesUsed() {
            return keys.size() * 64L;
        }

        @Override
        public long bytesCapacity() {
            return 6400;
        }

        @Override
        public void reset() {
            keys.clear();
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    /** Three blocks of four tokens and one token more, all of them computed. */
    private record Request(long sequence, int computedTokens) implements ConnectorRequest {
        @Override
        public int promptLength() {
            return 13;
        }

        @Override
        public int tokenCount() {
            return 13;
        }

        @Override
        public int hashedBlocks() {
            return 3;
        }

        @Override
        public BlockHash blockHash(int index) {
            return new BlockHash(index, 0, 0, 1);
        }

        @Override
        public int maxOffloadTokens() {
            return Integer.MAX_VALUE;
        }
    }

    private record Step(ConnectorRequest request) implements StepView {
        @Override
        public int size() {
            return 1;
        }

        @Override
        public ConnectorRequest request(int index) {
            return request;
        }

        @Override
        public int scheduledTokens(int index) {
            return 1;
        }

        @Override
        public int[] blocks(int index) {
            return new int[] {1, 2, 3, 4};
        }

        @Override
        public int blockCount(int index) {
            return 4;
        }
    }

    private final Keeper near = new Keeper();
    private final Keeper far = new Keeper();
    private final VirtualClock clock = new VirtualClock();
    private final HostMemoryConnector connector = new HostMemoryConnector(
            new OffloadSettings(1, OffloadSettings.Eviction.LRU, 0, 100, true, true),
            new KvLayout(10, 4),
            new HostPages(Arena.ofAuto().allocate(3 * 64), 64),
            new Tier(TokensByTier.HOST, TierGuard.NONE),
            List.of(
                    new GuardedStorage(new Tier("near", TierGuard.NONE), near),
                    new GuardedStorage(new Tier("far", limited()), far)),
            OffloadListener.NONE,
            clock,
            true);
    private final Request asking = new Request(2, 0);

    private static TierGuard limited() {
        return new TierGuard() {
            @Override
            public long timeLimitNanos() {
                return LIMIT;
            }
        };
    }

    private static BlockHash key(int index) {
        return new BlockHash(index, 0, 0, 1);
    }

    @BeforeEach
    void arrives() {
        connector.onNewRequest(asking);
    }

    private ExternalMatch ask() {
        ExternalMatch match = connector.match(asking, 0);
        connector.verifyBooks();
        return match;
    }

    private void poll() {
        connector.onTransfers(List.of());
        connector.verifyBooks();
    }

    @Test
    void whatIsStoredIsWrittenThroughToEveryTier() {
        Request stored = new Request(1, 12);
        connector.onNewRequest(stored);
        connector.onAllocated(stored, new int[] {1, 2, 3, 4}, 4, 0);
        connector.planTransfers(new Step(stored));
        far.keys.add(key(1)); // there already
        for (BlockTransfer store : connector.planTransfers(new Step(stored)).stores()) {
            connector.onTransfers(List.of(new FinishedTransfer(store.job(), new int[0], 1)));
        }
        assertThat(near.writes.values()).containsExactlyInAnyOrder(key(0), key(1), key(2));
        assertThat(far.writes.values()).containsExactlyInAnyOrder(key(0), key(2));
        assertThat(connector.snapshot().tier("host").pinned()).isEqualTo(3 * 64);
        poll();
        assertThat(connector.hasPendingWork()).isFalse();
        assertThat(connector.snapshot().tier("host").pinned()).isZero();
        assertThat(connector.snapshot().tier("far").used()).isEqualTo(3 * 64);
    }

    @Test
    void aChunkComesFromTheFirstTierThatHasItAndCountsForThatTier() {
        near.keys.add(key(0));
        far.keys.addAll(List.of(key(0), key(1)));
        assertThat(ask()).isEqualTo(ExternalMatch.ASK_AGAIN);
        assertThat(near.reads).hasSize(1);
        assertThat(far.reads).hasSize(1);
        poll();
        assertThat(ask().byTier()).isEqualTo(new TokensByTier(Map.of("near", 4, "far", 4)));
        Request other = new Request(3, 0);
        connector.onNewRequest(other);
        assertThat(connector.match(other, 0).byTier())
                .as("for whom it was in host memory already")
                .isEqualTo(TokensByTier.of(TokensByTier.HOST, 8));
    }

    @Test
    void aRequestWaitsForATierThatDoesNotKnowYet() {
        far.asksAgain = true;
        far.keys.add(key(0));
        assertThat(ask()).isEqualTo(ExternalMatch.ASK_AGAIN);
        assertThat(connector.hasPendingWork()).as("nothing is on its way").isFalse();
        far.asksAgain = false;
        assertThat(ask()).isEqualTo(ExternalMatch.ASK_AGAIN);
        assertThat(far.reads).hasSize(1);
        poll();
        assertThat(ask().byTier()).isEqualTo(TokensByTier.of("far", 4));
    }

    @Test
    void nothingIsFetchedBehindAGap() {
        near.keys.addAll(List.of(key(1), key(2)));
        far.asksAgain = true; // of the first chunk, which the near tier lacks
        assertThat(ask()).isEqualTo(ExternalMatch.ASK_AGAIN);
        assertThat(near.reads).isEmpty();
        far.asksAgain = false;
        assertThat(ask()).isEqualTo(ExternalMatch.NONE);
        assertThat(near.reads).isEmpty();
    }

    @Test
    void aTierThatNeverKnowsHasMissedWhenItsTimeIsOver() {
        far.asksAgain = true;
        assertThat(ask()).isEqualTo(ExternalMatch.ASK_AGAIN);
        clock.advanceNanos(LIMIT);
        assertThat(ask()).isEqualTo(ExternalMatch.ASK_AGAIN);
        clock.advanceNanos(1);
        assertThat(ask()).isEqualTo(ExternalMatch.NONE);
    }

    @Test
    void aTierThatIsBusyLeavesNothingBehind() {
        near.keys.add(key(0));
        near.busy = true;
        assertThat(ask()).isEqualTo(ExternalMatch.NONE);
        assertThat(connector.hasPendingWork()).isFalse();
        assertThat(connector.snapshot().tier("host").used()).isZero();
    }

    @Test
    void behindAChunkThatATierCannotReadNowNothingIsFetched() {
        near.keys.addAll(List.of(key(0), key(1)));
        near.readsRefused = 1;
        assertThat(ask()).isEqualTo(ExternalMatch.NONE);
        assertThat(near.reads).isEmpty();
        assertThat(connector.snapshot().tier("host").used()).isZero();
    }

    @Test
    void aTierThatIsBusyIsNotWaitedForWithAChunkToWrite() {
        near.busy = true;
        far.busy = true;
        Request stored = new Request(1, 12);
        connector.onNewRequest(stored);
        connector.onAllocated(stored, new int[] {1, 2, 3, 4}, 4, 0);
        connector.planTransfers(new Step(stored));
        for (BlockTransfer store : connector.planTransfers(new Step(stored)).stores()) {
            connector.onTransfers(List.of(new FinishedTransfer(store.job(), new int[0], 1)));
        }
        assertThat(connector.hasPendingWork()).isFalse();
        assertThat(connector.snapshot().tier("host").used()).isEqualTo(3 * 64);
        assertThat(connector.snapshot().tier("host").pinned()).isZero();
    }

    @Test
    void aResetAndTheEndReachEveryTier() {
        near.keys.add(key(0));
        far.keys.add(key(1));
        ask();
        poll();
        assertThat(connector.snapshot().tier("host").used()).isPositive();
        connector.reset();
        assertThat(near.keys).isEmpty();
        assertThat(far.keys).isEmpty();
        assertThat(connector.snapshot().tier("host").used()).isZero();
        assertThat(connector.snapshot().tier("far").used()).isZero();
        connector.close();
        assertThat(near.closed).isTrue();
        assertThat(far.closed).isTrue();
    }
}
