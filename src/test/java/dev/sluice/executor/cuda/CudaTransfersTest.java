package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.kv.BlockHash;
import dev.sluice.kv.BlockTransfer;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import dev.sluice.kv.TransferPlan;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Copies between device and host pages, by what the sequences whose blocks travel answer afterwards. */
class CudaTransfersTest {

    private static final CudaSettings SETTINGS = new CudaSettings(0, 256, 256, 4, 16, 40, 0.9, QuantizationChoice.AUTO);
    private static final int BLOCK = 16;
    private static final long POLLS_MAX = 1_000_000;

    @TempDir
    Path scratch;

    private TestGpu gpu;
    private GoldenModel golden;
    private CudaExecutor executor;
    private PlanDriver driver;
    private HostPages pages;
    private long jobs;

    @BeforeEach
    void open() {
        TestGpu fresh = TestGpu.fresh();
        assumeTrue(fresh != null, TestGpu.MISSING);
        gpu = fresh;
        golden = GoldenModel.open("llama-tied", scratch.resolve("model"));
        executor = gpu.open(golden.model(), SETTINGS);
        driver = new PlanDriver(executor);
        pages = executor.allocateHostPages(8);
    }

    @AfterEach
    void close() {
        if (executor != null) {
            executor.close();
            golden.close();
        }
    }

    private BlockTransfer transfer(boolean beforeStep, int[] blocks, int... pageNumbers) {
        BlockHash[] keys = new BlockHash[pageNumbers.length];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = key(pageNumbers[i]);
        }
        return new BlockTransfer(++jobs, blocks, pageNumbers, keys, beforeStep);
    }

    private static BlockHash key(int page) {
        return new BlockHash(page, 0, 0, 0);
    }

    private void submit(TransferPlan transfers) {
        StepPlan plan = driver.begin();
        plan.setTransfers(transfers);
        driver.submit();
    }

    private static TransferPlan stores(BlockTransfer... stores) {
        return new TransferPlan(new long[0], List.of(stores), List.of());
    }

    private static TransferPlan loads(BlockTransfer... loads) {
        return new TransferPlan(new long[0], List.of(), List.of(loads));
    }

    private List<FinishedTransfer> await(int count) {
        List<FinishedTransfer> ended = new ArrayList<>();
        for (long i = 0; ended.size() < count && i < POLLS_MAX; i++) {
            ended.addAll(executor.pollTransfers());
            Thread.onSpinWait();
        }
        assertThat(ended).hasSize(count);
        assertThat(executor.pollTransfers()).isEmpty();
        return ended;
    }

    /** Computes the longest prompt, and stores its first blocks on the last pages. */
    private Run storedRun() {
        Run run = driver.start(golden.cases().getLast().prompt());
        driver.step(1024, run);
        submit(stores(transfer(false, Arrays.copyOf(run.blocks, 8), 7, 0, 1, 2, 3, 4, 6, 5)));
        assertThat(await(1).getFirst().succeeded()).isTrue();
        return run;
    }

    private Run loadedRun(boolean beforeStep) {
        Run run = driver.start(golden.cases().getLast().prompt());
        driver.reserve(run, 8 * BLOCK);
        run.computed = 8 * BLOCK;
        driver.begin().setTransfers(loads(transfer(beforeStep, Arrays.copyOf(run.blocks, 8), 7, 0, 1, 2, 3, 4, 6, 5)));
        return run;
    }

    @Test
    void whatWasStoredComesBackBitForBitInTheVeryStepThatNeedsIt() {
        Run first = storedRun();
        Run second = loadedRun(true);
        driver.schedule(second, second.tokenCount - second.computed);
        int token = driver.submit().lastToken(0);
        // What a joined step has waited for is reported at once.
        List<FinishedTransfer> ended = executor.pollTransfers();
        assertThat(ended).hasSize(1);
        assertThat(ended.getFirst().succeeded()).isTrue();
        second.computed = second.tokenCount;
        second.append(token);
        driver.generate(golden.cases().getLast().greedy().length, 1024, first, second);
        assertThat(second.output()).isEqualTo(first.output());
    }

    @Test
    void aLoadBesideStepsIsReportedWhenItHasEnded() {
        Run first = storedRun();
        Run second = loadedRun(false);
        driver.submit();
        assertThat(await(1).getFirst().succeeded()).isTrue();
        driver.generate(golden.cases().getLast().greedy().length, 1024, first, second);
        assertThat(second.output()).isEqualTo(first.output());
    }

    @Test
    void aDamagedOrForeignPageIsAFailedLoadAndItsNeighboursAreNot() {
        storedRun();
        pages.page(1).set(ValueLayout.JAVA_BYTE, 77, (byte) (pages.page(1).get(ValueLayout.JAVA_BYTE, 77) ^ 4));
        BlockHash[] keys = {key(0), key(1), key(5)};
        submit(loads(new BlockTransfer(++jobs, new int[] {20, 21, 22}, new int[] {0, 1, 2}, keys, true)));
        List<FinishedTransfer> ended = executor.pollTransfers();
        assertThat(ended).hasSize(1);
        assertThat(ended.getFirst().failed()).containsExactly(1, 2);
        assertThat(ended.getFirst().nanos()).isPositive();
    }

    @Test
    void anAwaitedStoreHasEndedWithTheStepThatWaitsForIt() {
        Run run = driver.start(golden.cases().getLast().prompt());
        driver.step(1024, run);
        BlockTransfer store = transfer(false, Arrays.copyOf(run.blocks, 2), 0, 1);
        submit(new TransferPlan(new long[] {store.job()}, List.of(store), List.of()));
        assertThat(executor.pollTransfers()).extracting(FinishedTransfer::job).containsExactly(store.job());
        assertThat(pages.verify(0, key(0)) && pages.verify(1, key(1))).isTrue();
    }

    @Test
    void manyBlocksAreOneCallOfTheDriver() {
        assumeTrue(gpu.fake() != null, "only the fake driver tells what was called");
        Run run = driver.start(golden.cases().getLast().prompt());
        driver.step(1024, run);
        submit(stores(transfer(false, new int[] {1}, 0)));
        await(1);
        gpu.fake().clearLog();
        submit(stores(transfer(false, new int[] {1, 2, 3, 6, 8}, 0, 1, 2, 4, 3))); // the first three are neighbours
        await(1);
        // After what computed the blocks, and timed.
        assertThat(gpu.fake().log().lines().limit(4))
                .containsExactly("cuStreamWaitEvent", "cuEventRecord", "cuMemcpyBatchAsync 3", "cuEventRecord");
    }

    @Test
    void aCopyThatCannotBeBegunIsAFailedCopyAndNothingElse() {
        assumeTrue(gpu.fake() != null, "only the fake driver fails when it is told to");
        gpu.fake().fail("cuMemcpyBatchAsync", 1, 0);
        submit(stores(transfer(false, new int[] {1, 3}, 0, 1)));
        assertThat(await(1).getFirst().failed()).containsExactly(0, 1);
        storedRun();
    }

    @Test
    void jobsOfAStepThatFailsAreReportedAllTheSame() {
        assumeTrue(gpu.fake() != null, "only the fake driver fails when it is told to");
        Run run = driver.start(golden.cases().getLast().prompt());
        driver.step(1024, run);
        gpu.fake().fail("cuMemcpyHtoDAsync", 1, 0);
        driver.begin().setTransfers(stores(transfer(false, Arrays.copyOf(run.blocks, 2), 0, 1)));
        driver.schedule(run, 1);
        assertThatThrownBy(driver::submit)
                .isInstanceOfSatisfying(
                        ExecutorException.class, e -> assertThat(e.scope()).isEqualTo(ExecutorException.Scope.STEP));
        assertThat(await(1).getFirst().succeeded()).isTrue();
    }
}
