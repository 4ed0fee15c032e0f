package dev.sluice.executor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.executor.cuda.driver.CudaUnavailableException;
import dev.sluice.executor.cuda.weights.QuantizationChoice;
import dev.sluice.request.SamplingParams;
import dev.sluice.sampling.Sampler;
import dev.sluice.testkit.GoldenModel;
import dev.sluice.testkit.GoldenModel.Case;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the host does for a step: which calls of the driver it makes, what it keeps, and what it gives back. */
class CudaExecutorTest {

    private static final CudaSettings SETTINGS = new CudaSettings(0, 256, 64, 12, 16, 60, 0.9, QuantizationChoice.AUTO);
    private static final int WHOLE = 1024;

    @TempDir
    Path scratch;

    private TestGpu gpu;
    private GoldenModel golden;
    private CudaExecutor executor;
    private PlanDriver driver;

    @BeforeEach
    void open() {
        TestGpu fresh = TestGpu.fresh();
        assumeTrue(fresh != null, TestGpu.MISSING);
        gpu = fresh;
        golden = GoldenModel.open("llama-tied", scratch.resolve("model"));
        executor = gpu.open(golden.model(), SETTINGS);
        driver = new PlanDriver(executor);
    }

    @AfterEach
    void close() {
        if (executor != null) {
            executor.close();
            golden.close();
        }
    }

    private FakeCuda fake() {
        assumeTrue(gpu.fake() != null, "only the fake driver tells what was called");
        return gpu.fake();
    }

    private Run[] decoding(int count) {
        Run[] runs = new Run[count];
        for (int i = 0; i < count; i++) {
            runs[i] = driver.start(5 + i);
            driver.step(WHOLE, runs[i]);
        }
        return runs;
    }

    private List<String> callsOfAStep(Run... runs) {
        fake().clearLog();
        driver.step(1, runs);
        return fake().log().lines().toList();
    }

    @Test
    void aDecodeStepIsOneUploadOneGraphOneSamplingAndOneCopyBack() {
        Run[] runs = decoding(3);
        driver.step(1, runs); // not recorded yet
        driver.step(1, runs); // recorded
        List<String> calls = callsOfAStep(runs);
        assertThat(calls).hasSize(7);
        assertThat(calls.get(2)).startsWith("cuLaunchKernel sample_greedy grid 3x1x1");
        assertThat(calls.stream().filter(call -> !call.startsWith("cuLaunchKernel")))
                .containsExactly(
                        "cuMemcpyHtoDAsync",
                        "cuGraphLaunch",
                        "cuMemcpyDtoHAsync",
                        "cuEventRecord",
                        "cuEventRecord",
                        "cuEventSynchronize");
    }

    @Test
    void batchesOfOneBucketShareAGraph() {
        Run[] runs = decoding(9);
        for (int i = 0; i < 3; i++) {
            driver.step(1, runs[0], runs[1], runs[2], runs[3], runs[4]);
        }
        int graphs = fake().live(FakeCuda.Kind.GRAPH_EXEC);
        assertThat(callsOfAStep(runs[3], runs[4], runs[5], runs[6], runs[7], runs[8]))
                .contains("cuGraphLaunch");
        assertThat(fake().live(FakeCuda.Kind.GRAPH_EXEC)).isEqualTo(graphs);
        // 9 rows are another bucket, and are not recorded at once: nobody knows whether they come again.
        assertThat(callsOfAStep(runs)).doesNotContain("cuGraphLaunch", "cuStreamBeginCapture");
        assertThat(callsOfAStep(runs)).containsSubsequence("cuStreamBeginCapture", "cuGraphLaunch");
    }

    @Test
    void aPrefillIsNotRecordedAndTheHostDoesNotWaitForIt() {
        Run run = driver.start(golden.cases().getLast().prompt());
        driver.begin();
        driver.schedule(run, 50);
        fake().clearLog();
        PendingStep step = executor.submit(driver.begun());
        assertThat(fake().log()).doesNotContain("Synchronize").doesNotContain("Graph");
        step.join();
        assertThat(fake().log()).contains("cuEventSynchronize");
    }

    @Test
    void twoStepsMayBeUnderWay() {
        Case first = golden.cases().get(1);
        Case second = golden.cases().get(2);
        PlanDriver other = new PlanDriver(executor, new java.util.Random(1)); // its own plan, and its own blocks
        Run one = driver.start(first.prompt());
        driver.reserve(one, one.promptLength);
        Run two = other.start(second.prompt());
        other.reserve(two, two.promptLength);
        assertThat(one.blocks).doesNotContain(two.blocks);
        driver.begin();
        driver.schedule(one, one.promptLength);
        other.begin();
        other.schedule(two, two.promptLength);
        PendingStep earlier = executor.submit(driver.begun());
        PendingStep later = executor.submit(other.begun());
        assertThat(earlier.join().lastToken(0)).isEqualTo(first.greedy()[0]);
        assertThat(later.join().lastToken(0)).isEqualTo(second.greedy()[0]);
    }

    @Test
    void aStepBegunAheadFindsTheTokenOnTheDeviceAndWaitsForNothing() {
        Run[] runs = decoding(2);
        assertThat(callsBetweenSubmissions(runs)).doesNotContain("Synchronize");
    }

    @Test
    void aTokenThatHasToBeCountedIsWaitedFor() {
        Run[] runs = decoding(2);
        runs[1].sampling = new SamplingParams.Builder().presencePenalty(0.5f).build();
        assertThat(callsBetweenSubmissions(runs)).containsOnlyOnce("cuEventSynchronize");
    }

    /** What the driver was asked for by a step that was submitted while the one before was under way. */
    private String callsBetweenSubmissions(Run... runs) {
        driver.begin();
        for (Run run : runs) {
            driver.schedule(run, 1);
        }
        PendingStep first = driver.start();
        driver.begin();
        for (int i = 0; i < runs.length; i++) {
            runs[i].computed++;
            driver.scheduleAwaiting(runs[i], i);
        }
        fake().clearLog();
        PendingStep second = driver.start();
        String log = fake().log();
        first.join();
        assertThat(second.join().lastToken(1)).isNotNegative();
        return log;
    }

    @Test
    void nobodyCanAwaitATokenOfAStepThatCouldNotStart() {
        Run[] runs = decoding(1);
        driver.begin();
        driver.schedule(runs[0], 1);
        fake().fail("cuMemcpyDtoHAsync", 1, 0);
        assertThatThrownBy(driver::start).isInstanceOf(ExecutorException.class);
        runs[0].computed++;
        driver.begin();
        driver.scheduleAwaiting(runs[0], 0);
        assertThat(driver.submit().failure(0)).isEqualTo("the answer to line 0 is awaited, of 0");
    }

    /** Shifts so large that the model has no say: the pattern is what the CPU's sampler makes of nothing but the shifts. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void penaltiesBiasAndMinimumLengthAreThoseOfTheSampler(boolean preempted) {
        SamplingParams[] wishes = {
            shifted().frequencyPenalty(700).build(),
            shifted().presencePenalty(1600).build(),
            shifted().repetitionPenalty(1.001f).build(),
            shifted()
                    .frequencyPenalty(317)
                    .repetitionPenalty(1.0002f)
                    .presencePenalty(100)
                    .build(),
            shifted().minTokens(5).endTokenIds(3, 9).stopTokenIds(17).build(),
            shifted().build(),
        };
        Run[] runs = new Run[wishes.length];
        for (int i = 0; i < runs.length; i++) {
            runs[i] = driver.start(4, 3, 17, 9, 3);
            runs[i].sampling = wishes[i];
        }
        driver.generate(6, WHOLE, runs);
        if (preempted) {
            for (Run run : runs) {
                driver.release(run);
            }
        }
        driver.generate(12, WHOLE, runs);
        for (int i = 0; i < runs.length; i++) {
            assertThat(runs[i].output()).as("wish " + i).isEqualTo(expected(wishes[i], 12));
        }
    }

    private static SamplingParams.Builder shifted() {
        return new SamplingParams.Builder()
                .bias(new int[] {3, 9, 17, 40}, new float[] {1_000_000, 999_000, 998_500, 998_000});
    }

    private int[] expected(SamplingParams wish, int count) {
        int vocabulary = executor.spec().vocabularySize();
        Sampler sampler = new Sampler(vocabulary);
        int[] tokens = {4, 3, 17, 9, 3};
        int prompt = tokens.length;
        tokens = java.util.Arrays.copyOf(tokens, prompt + count);
        for (int i = prompt; i < tokens.length; i++) {
            tokens[i] = sampler.sample(new float[vocabulary], wish, tokens, prompt, i);
        }
        return java.util.Arrays.copyOfRange(tokens, prompt, tokens.length);
    }

    @Test
    void historyThatWasTakenByOthersIsWrittenAgain() {
        SamplingParams wish = shifted().frequencyPenalty(700).build();
        Run run = driver.start(4, 3, 17, 9, 3);
        run.sampling = wish;
        driver.generate(5, WHOLE, run);
        for (int round = 0; round < 2; round++) { // as many others as there are rows of history, twice
            Run[] others = new Run[SETTINGS.maxSequences()];
            for (int i = 0; i < others.length; i++) {
                others[i] = driver.start(7);
                others[i].sampling = wish;
            }
            driver.step(WHOLE, others);
            for (Run other : others) {
                driver.release(other);
            }
        }
        driver.generate(12, WHOLE, run);
        assertThat(run.output()).isEqualTo(expected(wish, 12));
    }

    @Test
    void moreThanCanBeServedIsRefusedForItsSequenceAlone() {
        Run good = driver.start(golden.cases().get(1).prompt());
        Run bad = driver.start(1, 2, 3);
        bad.sampling = new SamplingParams.Builder().logprobs(33).build();
        driver.begin();
        driver.schedule(bad, 3);
        driver.schedule(good, good.promptLength);
        var result = driver.submit();
        assertThat(result.failure(0)).isEqualTo("33 log-probabilities exceed the limit of 32");
        assertThat(result.lastToken(1)).isEqualTo(golden.cases().get(1).greedy()[0]);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"cuMemcpyHtoDAsync", "cuLaunchKernel", "cuMemcpyDtoHAsync", "cuEventRecord", "cuGraphLaunch"})
    void aStepThatFailsIsLostAndTheNextOneWorks(String call) {
        Run[] runs = decoding(2);
        driver.step(1, runs);
        driver.step(1, runs);
        runs[0].sampling = shifted().frequencyPenalty(700).build();
        fake().fail(call, 1, 0);
        assertThatThrownBy(() -> driver.step(1, runs))
                .isInstanceOfSatisfying(
                        ExecutorException.class, e -> assertThat(e.scope()).isEqualTo(Scope.STEP))
                .hasMessageContaining("CUDA_ERROR_INVALID_VALUE");
        Case known = golden.cases().get(1);
        Run next = driver.start(known.prompt());
        driver.generate(known.greedy().length, WHOLE, next, runs[0]);
        assertThat(next.output()).isEqualTo(known.greedy());
    }

    @Test
    void whatAFailedStepHasBegunIsNotOvertakenByCopies() {
        Run[] runs = decoding(2);
        driver.step(1, runs);
        driver.step(1, runs);
        fake().clearLog();
        fake().fail("cuMemcpyDtoHAsync", 1, 0);
        assertThatThrownBy(() -> driver.step(1, runs)).isInstanceOf(ExecutorException.class);
        assertThat(fake().log().lines()).containsSubsequence("cuGraphLaunch", "cuMemcpyDtoHAsync", "cuEventRecord");
    }

    @ParameterizedTest
    @ValueSource(strings = {"cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate"})
    void aGraphThatCannotBeRecordedIsDoneWithout(String call) {
        Case known = golden.cases().get(1);
        Run run = driver.start(known.prompt());
        fake().fail(call, 801, 0);
        driver.generate(known.greedy().length, WHOLE, run);
        assertThat(run.output()).isEqualTo(known.greedy());
        assertThat(fake().log().lines()).contains(call).doesNotContain("cuGraphLaunch");
        assertThat(fake().live(FakeCuda.Kind.GRAPH)).isZero();
    }

    @Test
    void aBrokenDeviceIsSaidToBeBroken() {
        Run[] runs = decoding(1);
        fake().fail("cuEventSynchronize", 700, 0);
        assertThatThrownBy(() -> driver.step(1, runs))
                .isInstanceOfSatisfying(
                        ExecutorException.class, e -> assertThat(e.scope()).isEqualTo(Scope.DEVICE))
                .hasMessage("cuEventSynchronize failed: CUDA_ERROR_ILLEGAL_ADDRESS (700)");
    }

    @Test
    void everythingIsGivenBackAtTheEnd() {
        executor.allocateHostPages(3);
        Run[] runs = decoding(2);
        for (int i = 0; i < 3; i++) {
            driver.step(1, runs);
        }
        executor.close();
        assertThat(fake().live()).isZero();
        executor.close();
        StepPlan plan = new StepPlan();
        assertThatThrownBy(() -> executor.submit(plan)).hasMessage("the CUDA executor is closed");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cuMemAlloc",
                "cuMemHostAlloc",
                "cuModuleLoadData",
                "cuModuleGetFunction",
                "cuStreamCreate",
                "cuEventCreate",
                "cuMemcpyHtoDAsync",
                "cuMemGetInfo"
            })
    void aStartThatFailsGivesEverythingBack(String call) {
        executor.close();
        for (int successes = 0; successes < 3; successes++) {
            FakeCuda fake = fake();
            fake.fail(call, 2, successes);
            try {
                gpu.open(golden.model(), SETTINGS).close();
            } catch (ExecutorException e) {
                assertThat(e).hasMessageMatching(".*(OUT_OF_MEMORY|not enough memory).*");
            }
            assertThat(fake.live()).as("after " + successes).isZero();
            fake.fail("", 0, 0);
        }
    }

    @Test
    void aDeviceTooOldOrTooSmallIsRefusedWithASentence() {
        executor.close();
        fake().capability(75);
        assertThatThrownBy(() -> gpu.open(golden.model(), SETTINGS))
                .isInstanceOf(CudaUnavailableException.class)
                .hasMessage("Fake 0 has compute capability 7.5, but the CUDA executor needs 8.0");
        fake().capability(80);
        fake().memory(4 << 20);
        assertThatThrownBy(() ->
                        gpu.open(golden.model(), new CudaSettings(0, 256, 64, 12, 16, 0, 0.1, QuantizationChoice.AUTO)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("does not fit the device")
                .hasMessageContaining("sluice.kv.gpu-memory-utilization of 0.1 leaves 0.4 MiB of the device's 4.0 MiB");
        assertThat(fake().live()).isZero();
    }

    @Test
    void blocksFillTheShareOfTheMemoryThatIsAllowed() {
        executor.close();
        executor = gpu.open(golden.model(), new CudaSettings(0, 256, 64, 12, 16, 0, 0.5, QuantizationChoice.AUTO));
        long used = (1L << 30) / 2;
        assertThat(fake().deviceBytes())
                .isLessThanOrEqualTo(used)
                .isGreaterThan(used - 2 * executor.spec().blockBytes());
        assertThat(executor.spec().contextLength()).isEqualTo(256);
    }
}
