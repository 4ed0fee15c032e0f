package dev.sluice.executor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.sluice.kv.KvLayout;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenLogprobs;
import dev.sluice.testkit.PlanDriver;
import dev.sluice.testkit.PlanDriver.Run;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the scheduler relies on in every executor. Whoever implements {@link ModelExecutor} extends this: with some
 * prompts whose continuation is known from elsewhere, everything else follows.
 */
public abstract class ModelExecutorContract extends StepAheadContract {

    private void finishAndCheck(int chunk, Run... runs) {
        driver.generate(
                known.stream().mapToInt(one -> one.greedy().length).max().orElseThrow(), chunk, runs);
        checkOutputs(runs);
    }

    private Known longest() {
        return Collections.max(known, (a, b) -> a.prompt().length - b.prompt().length);
    }

    /** Has other sequences write every block there is, and gives the blocks back. */
    private void poisonAllBlocks() {
        Random random = new Random(17);
        List<Run> noise = new ArrayList<>();
        for (int left = LAYOUT.usableBlocks(); left > 0; left -= 10) {
            int length = Math.min(left, 10) * LAYOUT.blockSize();
            noise.add(driver.start(random.ints(length, 0, executor.spec().vocabularySize())
                    .map(token -> Math.min(token, 9))
                    .toArray()));
        }
        driver.step(WHOLE, noise.toArray(Run[]::new));
        noise.forEach(driver::release);
    }

    @Test
    void itsSpecIsWhatWasAskedFor() {
        assertThat(executor.spec().kv()).isEqualTo(LAYOUT);
        assertThat(executor.spec().contextLength()).isEqualTo(CONTEXT);
        assertThat(executor.spec().vocabularySize()).isPositive();
        assertThat(executor.spec().blockBytes()).isPositive();
        assertThat(executor.spec().name()).isNotBlank();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 16, WHOLE})
    void aSequenceAloneYieldsItsTokensHoweverItsPrefillIsCut(int chunk) {
        for (Known one : known) {
            Run run = driver.start(one.prompt());
            driver.generate(one.greedy().length, chunk, run);
            assertThat(run.output()).as("prompt of " + run.promptLength).isEqualTo(one.greedy());
            driver.release(run);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 16, WHOLE})
    void companyChangesNoToken(int chunk) {
        finishAndCheck(chunk, startAll());
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void theNumbersOfTheBlocksChangeNoToken(long seed) {
        driver = new PlanDriver(executor, new Random(seed));
        finishAndCheck(7, startAll());
    }

    @Test
    void whatOthersWroteIntoTheBlocksBeforeChangesNoToken() {
        poisonAllBlocks();
        finishAndCheck(7, startAll());
    }

    @Test
    void prefillsAndDecodesInOneStepChangeNoToken() {
        Run[] runs = startAll();
        for (int started = 1; started < runs.length; started++) {
            // The one before decodes already, or is in the middle of its prompt, when the next one comes.
            Run[] first = Arrays.copyOf(runs, started);
            driver.step(5, first);
            driver.step(5, first);
        }
        finishAndCheck(7, runs);
    }

    @Test
    void aPreemptedSequenceGoesOnAsIfNothingHadHappened() {
        Run[] runs = startAll();
        driver.generate(3, WHOLE, runs);
        for (Run run : runs) {
            driver.release(run);
        }
        poisonAllBlocks();
        finishAndCheck(16, runs);
    }

    @Test
    void aComputedPrefixServesOthersInLaterSteps() {
        Known one = longest();
        int shared = (one.prompt().length - 1) / LAYOUT.blockSize();
        Run first = driver.start(one.prompt());
        driver.step(WHOLE, first);
        Run second = sharing(first, shared);
        driver.generate(one.greedy().length, WHOLE, first, second);
        assertThat(first.output()).isEqualTo(one.greedy());
        assertThat(second.output()).isEqualTo(one.greedy());
    }

    @Test
    void aPrefixServesOthersInTheVeryStepThatComputesIt() {
        Known one = longest();
        int shared = (one.prompt().length - 1) / LAYOUT.blockSize();
        Run first = driver.start(one.prompt());
        driver.reserve(first, one.prompt().length);
        Run second = sharing(first, shared);
        driver.generate(one.greedy().length, WHOLE, first, second);
        assertThat(first.output()).isEqualTo(one.greedy());
        assertThat(second.output()).isEqualTo(one.greedy());
    }

    /** The same prompt again, with the first blocks of another run as if they were computed. */
    private Run sharing(Run owner, int blocks) {
        Run run = driver.start(longest().prompt());
        run.blocks = Arrays.copyOf(owner.blocks, blocks);
        run.computed = blocks * LAYOUT.blockSize();
        return run;
    }

    @Test
    void aPartialPrefillYieldsNothing() {
        Run run = driver.start(longest().prompt());
        run.sampling = new SamplingParams.Builder().logprobs(1).build();
        driver.begin();
        driver.schedule(run, longest().prompt().length - 1);
        StepResult result = driver.submit();
        assertThat(result.size()).isEqualTo(1);
        assertThat(result.count(0)).isZero();
        assertThat(result.lastToken(0)).isEqualTo(StepResult.NO_TOKEN);
        assertThat(result.failure(0)).isNull();
    }

    @Test
    void answersComeInTheOrderOfThePlan() {
        for (int rotation = 0; rotation < known.size(); rotation++) {
            List<Known> rotated = new ArrayList<>(known);
            Collections.rotate(rotated, rotation);
            driver.begin();
            List<Run> runs = new ArrayList<>();
            for (Known one : rotated) {
                Run partial = driver.start(longest().prompt()); // a line without an answer before each with one
                driver.schedule(partial, 1);
                Run whole = driver.start(one.prompt());
                driver.schedule(whole, whole.promptLength);
                runs.addAll(List.of(partial, whole));
            }
            StepResult result = driver.submit();
            for (int i = 0; i < rotated.size(); i++) {
                assertThat(result.lastToken(2 * i)).isEqualTo(StepResult.NO_TOKEN);
                assertThat(result.lastToken(2 * i + 1)).isEqualTo(rotated.get(i).greedy()[0]);
            }
            runs.forEach(driver::release);
        }
    }

    @Test
    void anEmptyPlanHasAnEmptyAnswerAndTheNextOneWorks() {
        driver.begin();
        StepResult result = driver.submit();
        assertThat(result.size()).isZero();
        assertThat(executor.pollTransfers()).isEmpty();
        finishAndCheck(WHOLE, startAll());
    }

    @Test
    void aSeedDecidesWhateverTheCompanyAndTheChunks() {
        List<int[]> alone = new ArrayList<>();
        for (int i = 0; i < known.size(); i++) {
            Run run = seeded(i);
            driver.generate(8, WHOLE, run);
            alone.add(run.output());
            driver.release(run);
        }
        for (int chunk : new int[] {7, WHOLE}) {
            Run[] runs = new Run[known.size()];
            for (int i = 0; i < runs.length; i++) {
                runs[i] = seeded(i);
            }
            driver.generate(8, chunk, runs);
            for (int i = 0; i < runs.length; i++) {
                assertThat(runs[i].output()).isEqualTo(alone.get(i));
                driver.release(runs[i]);
            }
        }
    }

    private Run seeded(int index) {
        Run run = driver.start(known.get(index).prompt());
        run.sampling = new SamplingParams.Builder()
                .temperature(1.3f)
                .topP(0.95f)
                .seed(index * 977L)
                .build();
        return run;
    }

    @Test
    void logprobsComeOnlyToWhoAskedAndAsManyAsAsked() {
        int[] asked = {-1, 0, 3};
        driver.begin();
        for (int count : asked) {
            Run run = driver.start(known.getFirst().prompt());
            run.sampling = new SamplingParams.Builder().logprobs(count).build();
            driver.schedule(run, run.promptLength);
        }
        StepResult result = driver.submit();
        for (int i = 0; i < asked.length; i++) {
            assertThat(result.lastToken(i)).isEqualTo(known.getFirst().greedy()[0]);
        }
        assertThat(result.logprobs(0, 0)).isNull();
        TokenLogprobs sampledOnly = result.logprobs(1, 0);
        assertThat(sampledOnly.topIds()).isEmpty();
        assertThat(sampledOnly.logprob()).isNegative();
        TokenLogprobs three = result.logprobs(2, 0);
        assertThat(three.logprob()).isEqualTo(sampledOnly.logprob());
        assertThat(three.topIds()).hasSize(3).doesNotHaveDuplicates().startsWith(result.lastToken(2));
        assertThat(three.topLogprobs()).hasSize(3).startsWith(three.logprob());
        for (int i = 1; i < 3; i++) {
            assertThat(three.topLogprobs()[i]).isLessThanOrEqualTo(three.topLogprobs()[i - 1]);
        }
    }

    @Test
    void logprobsAreThoseOfTheirOwnLine() {
        SamplingParams asking = new SamplingParams.Builder().logprobs(3).build();
        List<TokenLogprobs> alone = new ArrayList<>();
        for (Known one : known) {
            driver.begin();
            Run run = driver.start(one.prompt());
            run.sampling = asking;
            driver.schedule(run, run.promptLength);
            alone.add(driver.submit().logprobs(0, 0));
            driver.release(run);
        }
        driver.begin();
        for (Known one : known) {
            Run run = driver.start(one.prompt());
            run.sampling = asking;
            driver.schedule(run, run.promptLength);
        }
        StepResult result = driver.submit();
        for (int i = 0; i < known.size(); i++) {
            assertThat(result.logprobs(i, 0).topIds())
                    .isEqualTo(alone.get(i).topIds())
                    .startsWith(result.lastToken(i));
            assertThat(result.logprobs(i, 0).topLogprobs())
                    .isEqualTo(alone.get(i).topLogprobs());
            assertThat(result.logprobs(i, 0).logprob()).isEqualTo(alone.get(i).logprob());
        }
    }

    @Test
    void aSequenceThatFailsFailsAloneAndLeavesNothingInItsBlocks() {
        Run[] runs = startAll();
        Run bad = failing(driver);
        driver.begin();
        for (Run run : runs) {
            driver.schedule(run, run.promptLength);
        }
        driver.schedule(bad, bad.promptLength);
        StepResult result = driver.submit();
        assertThat(result.failure(runs.length)).isNotBlank();
        assertThat(result.lastToken(runs.length)).isEqualTo(StepResult.NO_TOKEN);
        for (int i = 0; i < runs.length; i++) {
            assertThat(result.failure(i)).isNull();
            assertThat(result.lastToken(i)).isEqualTo(known.get(i).greedy()[0]);
            driver.release(runs[i]);
        }
        driver.release(bad); // whoever comes next gets its blocks first
        finishAndCheck(7, startAll());
    }

    static Stream<Named<Consumer<ScheduledSequence>>> badLines() {
        return Stream.of(
                Named.of("the null block", line -> line.blocks[0] = KvLayout.NULL_BLOCK),
                Named.of("a negative block", line -> line.blocks[0] = -1),
                Named.of("a block beyond the last", line -> line.blocks[0] = LAYOUT.blockCount()),
                Named.of("fewer blocks than positions", line -> line.blockCount--),
                Named.of("more blocks announced than given", line -> line.blocks = new int[] {1}),
                Named.of("a negative token", line -> line.tokens[0] = -1),
                Named.of("a token outside of the vocabulary", line -> line.tokens[1] = Integer.MAX_VALUE),
                Named.of("more positions than tokens", line -> line.count = line.tokenCount + 1),
                Named.of("more tokens announced than given", line -> line.tokens = Arrays.copyOf(line.tokens, 2)),
                Named.of("no position", line -> line.count = 0),
                Named.of("a negative position", line -> line.start = -1),
                Named.of("positions that overflow", line -> line.start = Integer.MAX_VALUE));
    }

    @ParameterizedTest
    @MethodSource("badLines")
    void aBadLineIsRefusedAndTheNextStepWorks(Consumer<ScheduledSequence> spoil) {
        Run[] runs = startAll();
        driver.step(WHOLE, runs);
        Run bad = driver.start(longest().prompt());
        driver.begin();
        for (Run run : runs) {
            driver.schedule(run, 1);
        }
        ScheduledSequence line = driver.schedule(bad, bad.promptLength);
        line.tokens = line.tokens.clone();
        line.blocks = line.blocks.clone();
        spoil.accept(line);
        assertLastLineRefused();
        finishAndCheck(WHOLE, runs);
    }

    @Test
    void aSequenceLongerThanTheContextIsRefusedAndTheNextStepWorks() {
        Run bad = driver.start(new int[CONTEXT + 1]);
        driver.begin();
        driver.schedule(bad, CONTEXT + 1);
        assertLastLineRefused();
        driver.release(bad);
        finishAndCheck(WHOLE, startAll());
    }

    /** Either the line fails alone or the step as a whole, but the device is as good as before. */
    private void assertLastLineRefused() {
        int last = driver.begun().size() - 1;
        try {
            StepResult result = driver.submit();
            assertThat(result.failure(last)).isNotBlank();
            assertThat(result.lastToken(last)).isEqualTo(StepResult.NO_TOKEN);
        } catch (ExecutorException e) {
            assertThat(e.scope()).isEqualTo(ExecutorException.Scope.STEP);
            assertThat(e).hasMessageMatching("(?s).+");
        }
    }

    @Test
    void aStepOfEverythingThatFitsTheBlocksIsComputed() {
        List<Run> runs = new ArrayList<>();
        for (int used = 0; used < LAYOUT.usableBlocks(); used++) {
            runs.add(driver.start(known.getFirst().prompt()[0]));
        }
        Run together = driver.start(known.getFirst().prompt()[0]);
        driver.step(WHOLE, together);
        driver.release(together);
        driver.step(WHOLE, runs.toArray(Run[]::new));
        assertThat(runs).allSatisfy(run -> assertThat(run.output()).isEqualTo(together.output()));
    }

    @Test
    void closingTwiceIsAsGoodAsOnceAndNothingWorksAfterwards() {
        Run run = driver.start(known.getFirst().prompt());
        driver.begin();
        driver.schedule(run, 1);
        executor.close();
        executor.close();
        assertRefusedForGood(driver::submit);
        assertRefusedForGood(executor::pollTransfers);
        assertRefusedForGood(() -> executor.allocateHostPages(1));
        assertThat(executor.spec().kv()).isEqualTo(LAYOUT);
    }

    private static void assertRefusedForGood(Runnable call) {
        assertThatExceptionOfType(ExecutorException.class).isThrownBy(call::run).satisfies(e -> {
            assertThat(e.scope()).isEqualTo(ExecutorException.Scope.DEVICE);
            assertThat(e).hasMessageContaining("closed");
        });
    }
}
