package dev.sluice.executor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.sluice.kv.KvLayout;
import dev.sluice.request.SamplingParams;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The part of {@link ModelExecutorContract} about steps that are submitted while the one before runs, with lines that await
 * its tokens. It binds the executors that say they can.
 */
abstract class StepAheadContract {

    /** A prompt and its greedy continuation, of which the executor has no excuse to differ. */
    public record Known(int[] prompt, int[] greedy) {}

    protected static final KvLayout LAYOUT = new KvLayout(41, 16);
    protected static final int CONTEXT = 256;

    static final int WHOLE = 1024;

    ModelExecutor executor;
    PlanDriver driver;
    List<Known> known;

    /** A fresh executor with {@link #LAYOUT} and {@link #CONTEXT}. */
    protected abstract ModelExecutor open();

    /** At least two, one of them longer than two blocks; all of them together fit the blocks. */
    protected abstract List<Known> known();

    /** A prompt of more than two blocks that the executor opened last cannot answer: that sequence fails, in every step. */
    protected abstract Run failing(PlanDriver driver);

    @BeforeEach
    void openExecutor() {
        executor = open();
        driver = new PlanDriver(executor);
        known = known();
    }

    @AfterEach
    void closeExecutor() {
        executor.close();
    }

    final Run[] startAll() {
        return known.stream().map(one -> driver.start(one.prompt())).toArray(Run[]::new);
    }

    final void checkOutputs(Run... runs) {
        for (int i = 0; i < runs.length; i++) {
            int[] greedy = known.get(i).greedy();
            assertThat(Arrays.copyOf(runs[i].output(), greedy.length))
                    .as("prompt of " + runs[i].promptLength)
                    .isEqualTo(greedy);
        }
    }

    private void assumeItCan() {
        assumeTrue(executor.runsBesideItsCaller(), "computes within submit");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void awaitedTokensAreWhatTheyWouldHaveBeen(int company) {
        assumeItCan();
        int outputs = LAYOUT.blockSize() + 2; // across the end of a block, wherever a prompt ends
        Run[] runs = Arrays.copyOf(startAll(), Math.min(company, known.size()));
        Run[] plain = Arrays.copyOf(startAll(), runs.length);
        driver.generate(outputs, WHOLE, plain);
        for (Run run : plain) {
            driver.release(run);
        }
        driver.generateAhead(outputs, runs);
        checkOutputs(runs);
        for (int i = 0; i < runs.length; i++) {
            assertThat(runs[i].output()).isEqualTo(plain[i].output());
        }
    }

    static Stream<Named<SamplingParams.Builder>> wishes() {
        return Stream.of(
                Named.of(
                        "a seed", new SamplingParams.Builder().temperature(1.3f).seed(5)),
                Named.of(
                        "penalties",
                        new SamplingParams.Builder().repetitionPenalty(1.3f).presencePenalty(0.7f)),
                Named.of(
                        "a seed and penalties",
                        new SamplingParams.Builder().temperature(0.9f).seed(6).frequencyPenalty(0.8f)),
                Named.of("log-probabilities", new SamplingParams.Builder().logprobs(3)),
                Named.of(
                        "a forbidden end",
                        new SamplingParams.Builder().minTokens(4).endTokenIds(3, 5, 8)));
    }

    @ParameterizedTest
    @MethodSource("wishes")
    void wishesAreMetForAwaitedTokensToo(SamplingParams.Builder wish) {
        assumeItCan();
        int outputs = 8;
        Run plain = driver.start(known.getFirst().prompt());
        plain.sampling = wish.maxTokens(outputs).build();
        driver.generate(outputs, WHOLE, plain);
        driver.release(plain);
        Run wishing = driver.start(known.getFirst().prompt());
        wishing.sampling = plain.sampling;
        Run[] all = startAll();
        driver.generateAhead(outputs, wishing, all[0], all[1]);
        assertThat(wishing.output()).isEqualTo(plain.output());
        assertThat(wishing.logprobs).usingRecursiveComparison().isEqualTo(plain.logprobs);
        for (int i = 0; i < 2; i++) {
            assertThat(all[i].output()).startsWith(Arrays.copyOf(known.get(i).greedy(), 4));
        }
    }

    @Test
    void runsThatEndSoonerLeaveTheOthersTheirTokens() {
        assumeItCan();
        Run[] runs = startAll();
        for (int i = 0; i < runs.length; i++) {
            driver.generate(1 + i % 3, WHOLE, runs[i]);
        }
        driver.generateAhead(known.getFirst().greedy().length, runs);
        checkOutputs(runs);
    }

    @Test
    void linesThatAwaitMayComeBehindOthers() {
        assumeItCan();
        Run[] all = startAll();
        Run awaits = all[0];
        Run[] others = Arrays.copyOfRange(all, 1, all.length);
        Run shortest = driver.start(known.getFirst().prompt()[0]); // its answer is the first that the step gives
        driver.begin();
        driver.schedule(awaits, awaits.promptLength);
        PendingStep current = driver.start();
        awaits.computed = awaits.promptLength;
        driver.begin();
        driver.schedule(shortest, 1);
        for (Run run : others) {
            driver.schedule(run, run.promptLength);
            run.computed = run.promptLength;
        }
        driver.scheduleAwaiting(awaits, 0);
        PendingStep ahead = driver.start();
        driver.take(awaits, current.join(), 0);
        StepResult result = ahead.join();
        for (int i = 0; i < others.length; i++) {
            driver.take(others[i], result, 1 + i);
        }
        driver.take(awaits, result, all.length);
        awaits.computed++;
        driver.generate(known.getFirst().greedy().length, WHOLE, all);
        checkOutputs(all);
    }

    @Test
    void whatWasComputedInVainHarmsNobodyWhoGetsItsBlocks() {
        assumeItCan();
        Run[] runs = Arrays.copyOf(startAll(), 2);
        driver.step(WHOLE, runs);
        driver.begin();
        driver.schedule(runs[0], 1);
        driver.schedule(runs[1], 1);
        PendingStep current = driver.start();
        runs[0].computed++;
        runs[1].computed++;
        driver.begin();
        driver.scheduleAwaiting(runs[0], 0);
        driver.scheduleAwaiting(runs[1], 1);
        PendingStep ahead = driver.start();
        StepResult result = current.join();
        driver.take(runs[0], result, 0);
        driver.release(runs[1]); // it has ended with this token
        driver.take(runs[0], ahead.join(), 0);
        runs[0].computed++;
        Run next = driver.start(known.get(1).prompt());
        driver.generate(known.get(1).greedy().length, WHOLE, next, runs[0]);
        assertThat(next.output()).isEqualTo(known.get(1).greedy());
        checkOutputs(runs[0]);
    }

    @Test
    void whoAwaitsATokenThatNeverCameSpoilsNothingForOthers() {
        assumeItCan();
        Run good = driver.start(known.getFirst().prompt());
        Run bad = failing(driver);
        driver.begin();
        driver.schedule(bad, bad.promptLength);
        driver.schedule(good, good.promptLength);
        PendingStep current = driver.start();
        bad.computed = bad.tokenCount;
        good.computed = good.tokenCount;
        driver.begin();
        driver.scheduleAwaiting(bad, 0);
        driver.scheduleAwaiting(good, 1);
        PendingStep ahead = driver.start();
        StepResult result = current.join();
        assertThat(result.failure(0)).isNotBlank();
        driver.take(good, result, 1);
        driver.take(good, ahead.join(), 1);
        good.computed++;
        driver.generate(known.getFirst().greedy().length, WHOLE, good);
        checkOutputs(good);
    }

    /** Of an executor that does not run beside its caller, no line does. */
    @Test
    void nobodyCanAwaitALineThatDoesNotExist() {
        Run run = driver.start(known.getFirst().prompt());
        driver.step(WHOLE, run);
        driver.begin();
        driver.scheduleAwaiting(run, 1);
        try {
            assertThat(driver.submit().failure(0)).isNotBlank();
        } catch (ExecutorException e) {
            assertThat(e.scope()).isEqualTo(ExecutorException.Scope.STEP);
        }
    }
}
