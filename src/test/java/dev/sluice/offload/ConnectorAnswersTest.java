package dev.sluice.offload;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.request.TokensByTier;
import dev.sluice.testkit.VirtualClock;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Answers of a connector that cannot be: none of them is passed on, and each is counted. */
class ConnectorAnswersTest {

    private static final int[] BLOCKS = {5, 6, 7};

    /** Answers whatever the test wants. */
    private static final class Told implements KvConnector {
        private boolean asynchronous = true;
        private int match;
        private String tier = TokensByTier.HOST;
        private long job;
        private @Nullable TransferPlan plan = TransferPlan.NONE;
        private @Nullable LoadReport report = LoadReport.NONE;
        private boolean asksAgain;
        private final List<Long> heardOf = new ArrayList<>();

        @Override
        public boolean loadsAsynchronously() {
            return asynchronous;
        }

        @Override
        public void onNewRequest(ConnectorRequest request) {}

        @Override
        public ExternalMatch match(ConnectorRequest request, int localTokens) {
            return new ExternalMatch(TokensByTier.of(tier, match), asksAgain);
        }

        @Override
        public long onAllocated(ConnectorRequest request, int[] blocks, int blockCount, int externalTokens) {
            return job;
        }

        @Override
        @SuppressWarnings("NullAway") // on purpose
        public TransferPlan planTransfers(StepView step) {
            return plan;
        }

        @Override
        @SuppressWarnings("NullAway") // on purpose
        public LoadReport onTransfers(List<FinishedTransfer> finished) {
            finished.forEach(transfer -> heardOf.add(transfer.job()));
            LoadReport result = report;
            report = LoadReport.NONE;
            return result;
        }

        @Override
        public void onFinished(ConnectorRequest request, int[] blocks, int blockCount) {}

        @Override
        public boolean hasPendingWork() {
            return false;
        }

        @Override
        public void reset() {}
    }

    /** A prompt of 40 tokens in blocks of 16, of which so many are counted as computed. */
    private record Request(long sequence, int computedTokens) implements ConnectorRequest {
        @Override
        public int promptLength() {
            return 40;
        }

        @Override
        public int tokenCount() {
            return 40;
        }

        @Override
        public int hashedBlocks() {
            return 2;
        }

        @Override
        public BlockHash blockHash(int index) {
            return key(index);
        }

        @Override
        public int maxOffloadTokens() {
            return Integer.MAX_VALUE;
        }
    }

    private record NoStep() implements StepView {
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
    }

    private final Told told = new Told();
    private final GuardedConnector guard = new GuardedConnector(told, new KvLayout(20, 16), 1000, new VirtualClock());

    private static BlockHash key(long n) {
        return new BlockHash(n, 0, 0, 0);
    }

    private static BlockTransfer copy(long job, boolean beforeStep, int[] blocks, long... keys) {
        BlockHash[] hashes = new BlockHash[keys.length];
        for (int i = 0; i < keys.length; i++) {
            hashes[i] = key(keys[i]);
        }
        return new BlockTransfer(job, blocks, new int[blocks.length], hashes, beforeStep);
    }

    private static TransferPlan loading(BlockTransfer... loads) {
        return new TransferPlan(new long[0], List.of(), List.of(loads));
    }

    @ParameterizedTest
    @CsvSource({
        "true, 0, 16, 16",
        "true, 0, 32, 32",
        "true, 16, 16, 16",
        "true, 0, 40, 40", // all there is, with a last block that is not full
        "true, 16, 24, 24",
        "true, 0, 0, 0",
        "true, 0, -1, 0",
        "false, 0, 32, 32",
        "true, 0, 20, 0",
        "true, 0, 39, 0",
        "true, 0, 1, 0",
        "true, 16, 40, 0",
        "true, 0, 48, 0",
        "true, 0, -2, 0",
        "true, 0, -16, 0",
        "true, 0, -2147483648, 0",
        "true, 0, 2147483647, 0",
        "false, 0, 40, 0",
        "false, 0, 20, 0",
        "false, 0, -16, 0"
    })
    void aPromiseIsWholeBlocksOfWhatThereIs(boolean asynchronous, int local, int promise, int believed) {
        told.asynchronous = asynchronous;
        told.match = promise;
        assertThat(guard.match(new Request(1, 0), local).tokens()).isEqualTo(believed);
        assertThat(guard.failures()).isEqualTo(promise == believed ? 0 : 1);
    }

    @Test
    void aConnectorDoesNotAnswerForTheDevice() {
        told.match = 32;
        told.tier = TokensByTier.DEVICE;
        assertThat(guard.match(new Request(1, 0), 0)).isEqualTo(ExternalMatch.NONE);
        assertThat(guard.failures()).isEqualTo(1);
    }

    @Test
    void everyTierKeepsItsShareOfTheTokens() {
        told.match = 32;
        told.tier = "remote";
        assertThat(guard.match(new Request(1, 0), 0).byTier()).isEqualTo(TokensByTier.of("remote", 32));
    }

    @Test
    void whoSaysAskAgainPromisesNothing() {
        told.match = 32;
        told.asksAgain = true;
        assertThat(guard.match(new Request(1, 0), 0)).isEqualTo(ExternalMatch.ASK_AGAIN);
        assertThat(guard.failures()).isZero();
    }

    private long allocate(long sequence, long job) {
        told.match = 32;
        guard.match(new Request(sequence, 0), 0);
        told.job = job;
        return guard.onAllocated(new Request(sequence, 32), BLOCKS, 3, 32);
    }

    @Test
    void anAsynchronousLoadHasAJobOfItsOwn() {
        assertThat(allocate(1, KvConnector.NO_JOB)).isEqualTo(KvConnector.NOT_LOADED);
        assertThat(allocate(2, -7)).isEqualTo(KvConnector.NOT_LOADED);
        assertThat(allocate(3, 9)).isEqualTo(9);
        assertThat(allocate(4, 9)).isEqualTo(KvConnector.NOT_LOADED);
        assertThat(guard.failures()).isEqualTo(3);
    }

    @Test
    void aConnectorMayRefuseWhatItHasPromised() {
        assertThat(allocate(1, KvConnector.NOT_LOADED)).isEqualTo(KvConnector.NOT_LOADED);
        assertThat(guard.failures()).isZero();
    }

    @Test
    void aLoadThatWasAskedForIsLetThrough() {
        allocate(1, 9);
        told.plan = loading(copy(9, false, new int[] {5, 6}, 0, 1));
        assertThat(guard.planTransfers(new NoStep())).isEqualTo(told.plan);
        told.report = new LoadReport(new int[0], new long[] {9}, new long[0]);
        LoadReport report = guard.onTransfers(List.of(new FinishedTransfer(9, new int[0], 1)));
        assertThat(report.received()).containsExactly(9);
        assertThat(report.invalidBlocks()).isEmpty();
        assertThat(guard.hasPendingWork()).isFalse();
        assertThat(guard.failures()).isZero();
    }

    /** Foreign blocks, foreign contents, another job, blocks that do not exist, arrays that do not match. */
    @ParameterizedTest
    @CsvSource({"9, 5, 9, 0, 1", "9, 5, 6, 0, 2", "8, 5, 6, 0, 1", "9, 0, 6, 0, 1", "9, 5, 20, 0, 1", "9, -1, 6, 0, 1"})
    void aLoadThatNobodyAskedForIsRefusedAndTheRequestComputes(long job, int first, int second, long k1, long k2) {
        allocate(1, 9);
        told.plan = loading(copy(job, false, new int[] {first, second}, k1, k2));
        assertThat(guard.planTransfers(new NoStep()).loads()).isEmpty();
        LoadReport lost = guard.takeLost();
        assertThat(lost.invalidBlocks()).containsExactly(5, 6);
        assertThat(lost.received()).containsExactly(9);
        assertThat(guard.hasPendingWork()).as("the connector is to hear of it").isTrue();
        told.report = new LoadReport(new int[] {5, 6}, new long[0], new long[0]);
        assertThat(guard.onTransfers(List.of()).invalidBlocks())
                .as("they may be somebody else's by now")
                .isEmpty();
        assertThat(told.heardOf).containsExactly(job);
    }

    @Test
    void aLoadOfTheStepThatTheStepWouldNotWaitForIsRefused() {
        told.asynchronous = false;
        assertThat(allocate(1, 3)).isEqualTo(KvConnector.NO_JOB);
        told.plan = loading(copy(4, false, new int[] {5, 6}, 0, 1));
        assertThat(guard.planTransfers(new NoStep()).loads()).isEmpty();
        assertThat(guard.takeLost().invalidBlocks()).containsExactly(5, 6);
    }

    @Test
    void ofALoadThatIsPlannedInPartTheRestIsInvalid() {
        allocate(1, 9);
        told.plan = loading(copy(9, false, new int[] {5}, 0));
        assertThat(guard.planTransfers(new NoStep()).loads()).hasSize(1);
        assertThat(guard.takeLost().invalidBlocks()).containsExactly(6);
    }

    @Test
    void whatWasNotLoadedIsInvalidWhateverTheConnectorSays() {
        allocate(1, 9);
        told.plan = loading(copy(9, false, new int[] {5, 6}, 0, 1));
        guard.planTransfers(new NoStep());
        told.report = new LoadReport(new int[0], new long[] {9}, new long[0]);
        assertThat(guard.onTransfers(List.of(new FinishedTransfer(9, new int[] {1}, 1)))
                        .invalidBlocks())
                .containsExactly(6);
    }

    @Test
    void aLoadIsNotOverBeforeItsCopy() {
        allocate(1, 9);
        told.plan = loading(copy(9, false, new int[] {5, 6}, 0, 1));
        guard.planTransfers(new NoStep());
        told.report = new LoadReport(new int[0], new long[] {9}, new long[0]);
        assertThat(guard.onTransfers(List.of()).received()).isEmpty();
        assertThat(guard.hasPendingWork()).isTrue();
        assertThat(guard.onTransfers(List.of(new FinishedTransfer(9, new int[0], 1)))
                        .received())
                .containsExactly(9);
    }

    @Test
    void aPlanOrAReportThatIsMissingIsAFailure() {
        allocate(1, 9);
        told.plan = null;
        assertThat(guard.planTransfers(new NoStep()).isEmpty()).isTrue();
        assertThat(guard.takeLost().invalidBlocks()).containsExactly(5, 6);
        told.report = null;
        assertThat(guard.onTransfers(List.of()).isEmpty()).isTrue();
        assertThat(guard.failures()).isEqualTo(2);
    }

    @Test
    void blocksThatDoNotExistAreNobodysLoss() {
        told.report = new LoadReport(new int[] {-1, 0, 3, 20, 1000}, new long[0], new long[0]);
        assertThat(guard.onTransfers(List.of()).invalidBlocks()).containsExactly(3);
    }

    @Test
    void afterALostPlanEveryStoreUnderWayIsWaitedForAndNoneComesLate() {
        BlockTransfer store = copy(4, false, new int[] {9, 10}, 3, 4);
        told.plan = new TransferPlan(new long[0], List.of(store), List.of());
        guard.planTransfers(new NoStep());
        told.plan = null;
        assertThat(guard.planTransfers(new NoStep()).awaited()).containsExactly(4);
        told.plan = new TransferPlan(new long[] {4, 77}, List.of(copy(5, false, new int[] {11, 12}, 5, 6)), List.of());
        TransferPlan next = guard.planTransfers(new NoStep());
        assertThat(next.stores())
                .as("their blocks may hold something else by now")
                .isEmpty();
        assertThat(next.awaited()).as("nobody can wait for what never began").containsExactly(4);
        guard.onTransfers(List.of(new FinishedTransfer(4, new int[0], 1)));
        assertThat(told.heardOf).containsExactly(5L, 4L);
        told.plan = new TransferPlan(new long[0], List.of(copy(6, false, new int[] {11, 12}, 5, 6)), List.of());
        assertThat(guard.planTransfers(new NoStep()).stores()).hasSize(1);
    }
}
