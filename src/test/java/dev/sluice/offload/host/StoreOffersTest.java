package dev.sluice.offload.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.ConnectorRequest;
import dev.sluice.offload.OffloadListener;
import dev.sluice.offload.StepView;
import dev.sluice.offload.Tier;
import dev.sluice.offload.TierGuard;
import dev.sluice.request.TokensByTier;
import dev.sluice.testkit.VirtualClock;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which chunks of a request are offered for storing, and when they are offered once more. */
class StoreOffersTest {

    private static final int[] BLOCKS = {1, 2, 3, 4};

    /** A request of which the test says how far it is computed. */
    private static final class Computed implements ConnectorRequest {
        private int tokens;

        @Override
        public long sequence() {
            return 1;
        }

        @Override
        public int promptLength() {
            return 17;
        }

        @Override
        public int tokenCount() {
            return 17;
        }

        @Override
        public int computedTokens() {
            return tokens;
        }

        @Override
        public int hashedBlocks() {
            return BLOCKS.length;
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

    private final Computed request = new Computed();
    private final HostMemoryConnector connector = new HostMemoryConnector(
            new OffloadSettings(1, OffloadSettings.Eviction.LRU, 0, 100, true, false),
            new KvLayout(10, 4),
            new HostPages(Arena.ofAuto().allocate(8 * 64), 64),
            new Tier(TokensByTier.HOST, TierGuard.NONE),
            List.of(),
            OffloadListener.NONE,
            new VirtualClock(),
            true);

    private final StepView step = new StepView() {
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
            return new int[] {1, 2, 3, 4, 5};
        }

        @Override
        public int blockCount(int index) {
            return 5;
        }
    };

    private final StepView nobody = new StepView() {
        @Override
        public int size() {
            return 0;
        }

        @Override
        public ConnectorRequest request(int index) {
            throw new AssertionError();
        }

        @Override
        public int scheduledTokens(int index) {
            throw new AssertionError();
        }

        @Override
        public int[] blocks(int index) {
            throw new AssertionError();
        }

        @Override
        public int blockCount(int index) {
            throw new AssertionError();
        }
    };

    /** The blocks that the next step stores; they fail or not. */
    private List<Integer> stored(int computed, boolean fails) {
        request.tokens = computed;
        TransferPlan plan = connector.planTransfers(step);
        List<Integer> blocks = plan.stores().stream()
                .flatMap(store -> java.util.Arrays.stream(store.blocks()).boxed())
                .toList();
        for (BlockTransfer store : plan.stores()) {
            int[] failed = new int[fails ? store.blocks().length : 0];
            java.util.Arrays.setAll(failed, i -> i);
            connector.onTransfers(List.of(new FinishedTransfer(store.job(), failed, 1)));
        }
        connector.verifyBooks();
        return blocks;
    }

    private void admit() {
        connector.onAllocated(request, BLOCKS, BLOCKS.length, 0);
        connector.planTransfers(step); // the step of the admission stores nothing
    }

    @Test
    void eachChunkIsOfferedOnceItIsComputed() {
        connector.onNewRequest(request);
        admit();
        assertThat(stored(4, false)).containsExactly(1);
        assertThat(stored(7, false)).isEmpty();
        assertThat(stored(12, false)).containsExactly(2, 3);
        assertThat(stored(12, false)).isEmpty();
    }

    @Test
    void whatIsTakenBackAndComputedAnewIsOfferedAnew() {
        connector.onNewRequest(request);
        admit();
        assertThat(stored(12, true)).containsExactly(1, 2, 3);
        assertThat(stored(12, false)).as("offered before, and not kept").isEmpty();
        assertThat(stored(4, false)).as("a load has failed").isEmpty();
        assertThat(stored(12, false)).containsExactly(2, 3);
    }

    @Test
    void whoIsAdmittedAgainOffersAllAgain() {
        connector.onNewRequest(request);
        admit();
        assertThat(stored(8, true)).containsExactly(1, 2);
        admit();
        assertThat(stored(8, false)).containsExactly(1, 2);
    }

    @Test
    void afterAResetAllIsOfferedAgain() {
        connector.onNewRequest(request);
        admit();
        assertThat(stored(8, false)).containsExactly(1, 2);
        connector.reset();
        assertThat(stored(8, false)).containsExactly(1, 2);
    }

    @Test
    void whoLosesItsBlocksOffersWhatIsCompleteBeforeThat() {
        connector.onNewRequest(request);
        admit();
        request.tokens = 8;
        connector.onPreempted(request, BLOCKS, BLOCKS.length);
        assertThat(stored(0, false)).containsExactly(1, 2);
        admit();
        request.tokens = 12;
        connector.onFinished(request, BLOCKS, BLOCKS.length);
        assertThat(connector.planTransfers(nobody).stores())
                .extracting(BlockTransfer::blocks)
                .containsExactly(new int[] {3});
    }
}
