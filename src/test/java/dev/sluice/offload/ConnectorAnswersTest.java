package dev.sluice.offload;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.KvLayout;
import dev.sluice.kv.TransferPlan;
import dev.sluice.offload.ToldStep.Request;
import dev.sluice.request.TokensByTier;
import dev.sluice.testkit.LogLines;
import dev.sluice.testkit.VirtualClock;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.slf4j.LoggerFactory;

/** Answers of a connector that cannot be: none of them is passed on, and each is counted. */
class ConnectorAnswersTest {

    private static final int[] BLOCKS = {5, 6, 7};

    private final ToldConnector told = new ToldConnector();
    private final VirtualClock clock = new VirtualClock();
    private final GuardedConnector guard = guard(1000);

    private GuardedConnector guard(int failuresMax) {
        return new GuardedConnector(told, new KvLayout(20, 16), failuresMax, clock);
    }

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
        "true, 16, 32, 0",
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
        return allocate(guard, sequence, job);
    }

    private long allocate(GuardedConnector guard, long sequence, long job) {
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
        assertThat(guard.planTransfers(new ToldStep())).isEqualTo(told.plan);
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
        assertThat(guard.planTransfers(new ToldStep()).loads()).isEmpty();
        LoadReport lost = guard.takeLost();
        assertThat(lost.invalidBlocks()).containsExactly(5, 6);
        assertThat(lost.received()).containsExactly(9);
        assertThat(guard.hasPendingWork()).as("the connector is to hear of it").isTrue();
        told.report = new LoadReport(new int[] {5, 6}, new long[0], new long[0]);
        assertThat(guard.onTransfers(List.of()).invalidBlocks())
                .as("they may be somebody else's by now")
                .isEmpty();
        assertThat(guard.onTransfers(List.of()).isEmpty()).isTrue();
        assertThat(told.heardOf).as("once").containsExactly(job);
        assertThat(told.toldAsFailed).as("all of it").containsExactly(0, 1);
        assertThat(guard.hasPendingWork()).isFalse();
    }

    @Test
    void aLoadOfTheStepThatTheStepWouldNotWaitForIsRefused() {
        told.asynchronous = false;
        assertThat(allocate(1, 3)).isEqualTo(KvConnector.NO_JOB);
        told.plan = loading(copy(4, false, new int[] {5, 6}, 0, 1));
        assertThat(guard.planTransfers(new ToldStep()).loads()).isEmpty();
        assertThat(guard.takeLost().invalidBlocks()).containsExactly(5, 6);
    }

    @Test
    void ofALoadThatIsPlannedInPartTheRestIsInvalid() {
        allocate(1, 9);
        told.plan = loading(copy(9, false, new int[] {5}, 0));
        assertThat(guard.planTransfers(new ToldStep()).loads()).hasSize(1);
        assertThat(guard.takeLost().invalidBlocks()).containsExactly(6);
    }

    @Test
    void whatWasNotLoadedIsInvalidWhateverTheConnectorSays() {
        allocate(1, 9);
        told.plan = loading(copy(9, false, new int[] {5, 6}, 0, 1));
        guard.planTransfers(new ToldStep());
        told.report = new LoadReport(new int[0], new long[] {9}, new long[0]);
        assertThat(guard.onTransfers(List.of(new FinishedTransfer(9, new int[] {1}, 1)))
                        .invalidBlocks())
                .containsExactly(6);
    }

    @Test
    void aLoadIsNotOverBeforeItsCopy() {
        allocate(1, 9);
        told.plan = loading(copy(9, false, new int[] {5, 6}, 0, 1));
        guard.planTransfers(new ToldStep());
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
        assertThat(guard.planTransfers(new ToldStep()).isEmpty()).isTrue();
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
        guard.planTransfers(new ToldStep());
        told.plan = null;
        assertThat(guard.planTransfers(new ToldStep()).awaited()).containsExactly(4);
        told.plan = new TransferPlan(new long[] {4, 77}, List.of(copy(5, false, new int[] {11, 12}, 5, 6)), List.of());
        TransferPlan next = guard.planTransfers(new ToldStep());
        assertThat(next.stores())
                .as("their blocks may hold something else by now")
                .isEmpty();
        assertThat(next.awaited()).as("nobody can wait for what never began").containsExactly(4);
        guard.onTransfers(List.of(new FinishedTransfer(4, new int[0], 1)));
        assertThat(told.heardOf).containsExactly(5L, 4L);
        told.plan = new TransferPlan(new long[0], List.of(copy(6, false, new int[] {11, 12}, 5, 6)), List.of());
        assertThat(guard.planTransfers(new ToldStep()).stores()).hasSize(1);
    }

    @Test
    void ofAStoreWhateverDoesNotExistOrDoesNotMatchIsRefused() {
        BlockTransfer sound = copy(1, false, new int[] {5, 19}, 1, 2);
        BlockTransfer page = new BlockTransfer(2, new int[] {5}, new int[] {-1}, new BlockHash[1], false);
        BlockTransfer pages = new BlockTransfer(3, new int[] {5}, new int[2], new BlockHash[1], false);
        BlockTransfer keys = new BlockTransfer(4, new int[] {5}, new int[1], new BlockHash[2], false);
        BlockTransfer foreign = copy(5, false, new int[] {20}, 1);
        BlockTransfer again = copy(1, false, new int[] {6}, 3);
        told.plan = new TransferPlan(new long[0], List.of(sound, page, pages, keys, foreign, again), List.of());
        assertThat(guard.planTransfers(new ToldStep()).stores()).containsExactly(sound);
        guard.onTransfers(List.of());
        assertThat(told.heardOf).containsExactly(2L, 3L, 4L, 5L, 1L);
    }

    @Test
    void aLoadWithoutACopyIsOverWhenTheConnectorSaysSo() {
        allocate(1, 9);
        guard.planTransfers(new ToldStep());
        assertThat(guard.hasPendingWork()).isTrue();
        told.report = new LoadReport(new int[0], new long[] {9}, new long[0]);
        assertThat(guard.onTransfers(List.of()).received()).containsExactly(9);
        assertThat(guard.hasPendingWork()).isFalse();
    }

    @Test
    void aLoadOfTheStepIsPendingUntilItsCopyHasEnded() {
        told.asynchronous = false;
        allocate(1, 3);
        told.plan = loading(copy(4, true, new int[] {5, 6}, 0, 1));
        assertThat(guard.planTransfers(new ToldStep()).loads()).hasSize(1);
        assertThat(guard.hasPendingWork()).isTrue();
        guard.onTransfers(List.of(new FinishedTransfer(4, new int[0], 1)));
        assertThat(guard.hasPendingWork()).isFalse();
    }

    @Test
    void aLoadThatTookTooLongIsToldAsThat() {
        allocate(1, 9);
        told.report = new LoadReport(new int[0], new long[0], new long[] {9});
        assertThat(guard.onTransfers(List.of()).abandoned()).containsExactly(9);
    }

    @Test
    void afterAFailedCallTheRequestIsNotMentionedAgain() {
        assertThat(allocate(1, -7)).isEqualTo(KvConnector.NOT_LOADED);
        told.throwsIn = "onAllocated";
        assertThat(allocate(2, 9)).isEqualTo(KvConnector.NOT_LOADED);
        told.throwsIn = "onPreempted";
        guard.onPreempted(new Request(3, 32), BLOCKS, 3);
        told.throwsIn = "onNewRequest";
        guard.onNewRequest(new Request(4, 0));
        told.throwsIn = "";
        for (long sequence = 1; sequence <= 5; sequence++) {
            assertThat(guard.match(new Request(sequence, 0), 0).tokens())
                    .as("request " + sequence)
                    .isEqualTo(sequence < 5 ? 0 : 32);
            told.job = 20 + sequence;
            assertThat(guard.onAllocated(new Request(sequence, 32), BLOCKS, 3, 32))
                    .isEqualTo(sequence < 5 ? KvConnector.NOT_LOADED : 25);
        }
        assertThat(guard.failures()).isEqualTo(4);
    }

    @Test
    void aStepThatTheConnectorDoesNotSeeWholeWaitsForEveryStoreUnderWay() {
        told.throwsIn = "onNewRequest";
        guard.onNewRequest(new Request(1, 0));
        told.throwsIn = "";
        BlockTransfer store = copy(4, false, new int[] {9}, 3);
        told.plan = new TransferPlan(new long[0], List.of(store), List.of());
        Request visible = new Request(2, 0);
        assertThat(guard.planTransfers(new ToldStep(visible)).awaited())
                .as("it sees all")
                .isEmpty();
        told.plan = TransferPlan.NONE;
        told.seen.clear();
        assertThat(guard.planTransfers(new ToldStep(new Request(1, 0), visible)).awaited())
                .containsExactly(4);
        assertThat(told.seen).containsExactly("2: 11 into 11");
    }

    @Test
    void aConnectorIsPresentIfItSaysSoUntilItIsSwitchedOff() {
        assertThat(new GuardedConnector(new NoKvConnector(), new KvLayout(20, 16), 1, clock).isPresent())
                .isFalse();
        GuardedConnector strict = guard(1);
        assertThat(strict.isPresent()).isTrue();
        told.match = -16;
        strict.match(new Request(1, 0), 0);
        assertThat(strict.isOff()).isTrue();
        assertThat(strict.isPresent()).isFalse();
        assertThat(strict.onAllocated(new Request(1, 32), BLOCKS, 3, 32)).isEqualTo(KvConnector.NOT_LOADED);
    }

    @Test
    void howItLoadsIsWhatItSaidWithTheLatestMatch() {
        guard.match(new Request(1, 0), 0);
        assertThat(guard.loadsAsynchronously()).isTrue();
        told.asynchronous = false;
        assertThat(guard.loadsAsynchronously()).isTrue();
        guard.match(new Request(1, 0), 0);
        assertThat(guard.loadsAsynchronously()).isFalse();
    }

    /** Of three loads: one is announced, one is being copied, and of one the copy has ended. */
    @Test
    void ofAConnectorThatIsSwitchedOffTheGuardEndsTheLoads() {
        GuardedConnector strict = guard(1);
        allocate(strict, 1, 8);
        told.plan = loading(copy(8, false, new int[] {5, 6}, 0, 1));
        strict.planTransfers(new ToldStep());
        strict.onTransfers(List.of(new FinishedTransfer(8, new int[0], 1)));
        allocate(strict, 2, 9);
        told.plan = loading(copy(9, false, new int[] {5, 6}, 0, 1));
        strict.planTransfers(new ToldStep());
        allocate(strict, 3, 10);
        told.match = -16;
        strict.match(new Request(4, 0), 0);
        assertThat(strict.isOff()).isTrue();
        LoadReport lost = strict.takeLost();
        assertThat(lost.received()).containsExactlyInAnyOrder(8, 10);
        assertThat(lost.invalidBlocks()).containsExactlyInAnyOrder(5, 6, 5, 6);
        assertThat(strict.hasPendingWork()).isTrue();
        LoadReport ended = strict.onTransfers(List.of(new FinishedTransfer(9, new int[] {1}, 1)));
        assertThat(ended.received()).containsExactly(9);
        assertThat(ended.invalidBlocks()).containsExactly(6);
        assertThat(strict.hasPendingWork()).isFalse();
    }

    @Test
    void theLogHearsOfFailuresOnceAMinute() {
        told.match = -16;
        Logger logger = (Logger) LoggerFactory.getLogger(GuardedConnector.class);
        Level before = logger.getLevel();
        logger.setLevel(Level.WARN);
        try (LogLines log = LogLines.recordThread()) {
            for (int second = 0; second < 120; second++) {
                guard.match(new Request(1, 0), 0);
                clock.advanceNanos(Duration.ofSeconds(1).toNanos());
            }
            assertThat(log.at(Level.WARN)).hasSize(2);
        } finally {
            logger.setLevel(before);
        }
    }
}
