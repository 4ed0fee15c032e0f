package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.scheduler.SchedulerSettings.Policy;
import dev.sluice.testkit.RecordingSink;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Who is admitted when, how a request ends, and what is refused. */
class AdmissionScenariosTest {

    @Test
    void twoEqualPromptsInOneStepShareTheBlocksThatTheFirstIsAboutToFill() { // S15
        Bench bench = new Bench(16, 64, s -> s);
        int[] prompt = bench.distinctPrompt(100);
        bench.add("a", prompt, 2);
        bench.add("b", prompt.clone(), 2);
        assertThat(bench.step()).isEqualTo("a 100 new, b 4 new");
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(100, 96, 0));
    }

    @Test
    void aCachedPrefixLeavesTheRestToCompute() { // S16
        Bench bench = new Bench(16, 64, s -> s);
        int[] prompt = bench.distinctPrompt(33);
        bench.add("a", prompt, 1);
        bench.runToEnd();
        bench.add("b", prompt.clone(), 1);
        assertThat(bench.step()).isEqualTo("b 1 new");
        assertThat(bench.record("b")).isEqualTo(new PrefillRecord(33, 32, 0));
        assertThat(bench.record("b").computedTokens()).isEqualTo(1);
    }

    @Test
    void longPromptsAreCutToTheThresholdAndTheBudget() { // S17
        Bench bench = new Bench(16, 512, s -> s.budget(1024).threshold(400));
        for (String name : List.of("a", "b", "c")) {
            bench.add(name, bench.distinctPrompt(800), 8);
        }
        assertThat(bench.step()).isEqualTo("a 400 new, b 400 new, c 224 new");
        assertThat(bench.step()).isEqualTo("a 400, b 400, c 224");
        assertThat(bench.step()).isEqualTo("a 1, b 1, c 352");
    }

    @Test
    void aPromptThatDoesNotFitTheBudgetIsCutOrStopsEverythingBehindIt() { // S18
        assertThat(firstStep(true)).isEqualTo("a 800 new, b 224 new");
        assertThat(firstStep(false)).isEqualTo("a 800 new");
    }

    private static String firstStep(boolean chunked) {
        Bench bench = new Bench(
                16, 256, s -> s.budget(1024).maxSequences(3).chunked(chunked).contextLength(1000));
        int[] lengths = {800, 800, 10, 10};
        for (int i = 0; i < lengths.length; i++) {
            bench.add(String.valueOf((char) ('a' + i)), bench.distinctPrompt(lengths[i]), 4);
        }
        return bench.step();
    }

    @Test
    void aSmallRequestNeverPassesALargeOneThatWaits() { // S19
        Bench bench = new Bench(4, 8, s -> s);
        bench.add("a", bench.distinctPrompt(16), 3);
        bench.add("big", bench.distinctPrompt(24), 1);
        bench.add("small", bench.distinctPrompt(4), 1);
        assertThat(bench.step()).isEqualTo("a 16 new");
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.step()).isEqualTo("a 1");
        assertThat(bench.step()).isEqualTo("big 24 new, small 4 new");
    }

    @Test
    void priorityThenArrivalThenNumberDecide() { // S20
        assertThat(order(new int[] {2, 0, 1}, new long[] {1, 2, 3})).isEqualTo("b 4 new, c 4 new, a 4 new");
        assertThat(order(new int[] {1, 1, 1}, new long[] {3, 1, 2})).isEqualTo("b 4 new, c 4 new, a 4 new");
        assertThat(order(new int[] {2, 1, 1, 0}, new long[] {1, 3, 2, 4}))
                .isEqualTo("d 4 new, c 4 new, b 4 new, a 4 new");
    }

    private static String order(int[] priorities, long[] arrivals) {
        Bench bench = new Bench(16, 64, s -> s.policy(Policy.PRIORITY));
        for (int i = 0; i < priorities.length; i++) {
            bench.add(
                    String.valueOf((char) ('a' + i)),
                    bench.distinctPrompt(4),
                    SamplingParams.greedy(2),
                    priorities[i],
                    arrivals[i],
                    null);
        }
        return bench.step();
    }

    @Test
    void outputsEndWhereTheyMust() { // S25
        assertThat(end(new SamplingParams.Builder().maxTokens(9).endTokenIds(7).build()))
                .isEqualTo(new TokenEvent.Finished(FinishReason.STOP, -1));
        assertThat(end(new SamplingParams.Builder().maxTokens(9).stopTokenIds(7).build()))
                .isEqualTo(new TokenEvent.Finished(FinishReason.STOP, 7));
        assertThat(end(new SamplingParams.Builder().maxTokens(2).build()))
                .isEqualTo(new TokenEvent.Finished(FinishReason.LENGTH, -1));
    }

    private static TokenEvent end(SamplingParams sampling) {
        Bench bench = new Bench(16, 64, s -> s);
        RecordingSink sink = bench.add("a", bench.distinctPrompt(4), sampling, 0, 0, null);
        bench.runToEnd();
        return sink.terminal();
    }

    @Test
    void noStopCountsBeforeTheMinimum() { // S25
        Bench bench = new Bench(16, 64, s -> s);
        SamplingParams sampling = new SamplingParams.Builder()
                .maxTokens(9)
                .minTokens(3)
                .endTokenIds(7)
                .build();
        RecordingSink sink = bench.add("a", bench.distinctPrompt(4), sampling, 0, 0, null);
        bench.runToEnd();
        assertThat(sink.tokens()).hasSize(3);
    }

    @Test
    void theContextEndsAnOutput() {
        Bench bench = new Bench(16, 64, s -> s.contextLength(20));
        RecordingSink sink = bench.add("a", bench.distinctPrompt(15), 100);
        bench.runToEnd();
        assertThat(sink.tokens()).hasSize(5);
        assertThat(sink.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void aResetTakesTheBlocksOfRunningRequestsOnlyIfTold() { // S26
        Bench bench = new Bench(16, 64, s -> s);
        for (int i = 0; i < 10; i++) {
            bench.add("r" + i, bench.distinctPrompt(20), 4);
        }
        bench.step();
        assertThat(bench.loop.resetPrefixCache(false, true)).isFalse();
        assertThat(bench.loop.resetPrefixCache(true, true)).isTrue();
        assertThat(bench.free()).isEqualTo(63);
        assertThat(bench.cache.pool().registered()).isZero();
        assertThat(bench.step()).startsWith("r0 21 resumed, r1 21 resumed").endsWith("r9 21 resumed");
        bench.runToEnd();
        bench.sinks.values().forEach(sink -> assertThat(sink.tokens()).hasSize(4));
    }

    @Test
    void aRequestCancelledBeforeItWasScheduledLeavesNoNumbers() { // S47
        Bench bench = new Bench(16, 64, s -> s);
        RecordingSink sink = bench.add("a", bench.distinctPrompt(20), 4);
        bench.cancel("a");
        assertThat(bench.step()).isEmpty();
        assertThat(sink.finishReason()).isEqualTo(FinishReason.ABORT);
        assertThat(bench.ledger.records).isEmpty();
        assertThat(bench.ledger.ends).containsExactly(FinishReason.ABORT);
        bench.cancel("a");
        bench.cancel("unknown");
        assertThat(bench.step()).isEmpty();
    }

    @Test
    void whatCanNeverBeServedIsRefusedOnArrivalAndDisturbsNobody() {
        Bench bench = new Bench(4, 8, s -> s.contextLength(100));
        RecordingSink tooLong = bench.add("long", bench.distinctPrompt(100), 1);
        RecordingSink tooMany = bench.add("many", bench.distinctPrompt(20), 60);
        RecordingSink outside = bench.add("outside", new int[] {Bench.VOCABULARY}, 1);
        RecordingSink empty = bench.add("empty", new int[0], 1);
        assertThat(bench.step()).isEmpty();
        for (RecordingSink sink : List.of(tooLong, tooMany, outside, empty)) {
            assertThat(sink.terminal())
                    .isInstanceOfSatisfying(
                            TokenEvent.Failed.class,
                            failed -> assertThat(failed.kind()).isEqualTo(FailureKind.INVALID_REQUEST));
        }
        assertThat(bench.ledger.ends).isEmpty();
    }

    @Test
    void aReaderThatStandsStillLosesItsRequestAlone() {
        Bench bench = new Bench(16, 64, s -> s);
        RecordingSink slow = bench.add("slow", bench.distinctPrompt(4), 50);
        RecordingSink quick = bench.add("quick", bench.distinctPrompt(4), 5);
        bench.step();
        slow.stopReading();
        bench.runToEnd();
        assertThat(slow.terminal()).isInstanceOf(TokenEvent.Failed.class);
        assertThat(quick.tokens()).hasSize(5);
    }

    @Test
    void aListenerThatThrowsStopsNothing() { // S49
        Bench bench = new Bench(16, 64, s -> s);
        bench.ledger.broken = true;
        RecordingSink sink = bench.add("a", bench.distinctPrompt(4), 3);
        bench.runToEnd();
        assertThat(sink.tokens()).hasSize(3);
        assertThat(sink.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void theSameHistoryGivesTheSameSchedule() {
        assertThat(busySchedule()).isEqualTo(busySchedule());
    }

    private static List<String> busySchedule() {
        Bench bench = new Bench(4, 24, s -> s.budget(16).gate(false));
        for (int i = 0; i < 12; i++) {
            bench.add("r" + i, bench.distinctPrompt(5 + 3 * (i % 5)), 6);
        }
        return List.copyOf(bench.runToEnd());
    }

    @Test
    void whoIsAdmittedNextToRunningOnesLeavesTheWatermarkFree() {
        Bench bench = new Bench(4, 21, s -> s.watermark(0.25)); // 5 of 21 blocks, the null block counted
        bench.add("a", bench.distinctPrompt(31), 2);
        bench.add("fits", bench.distinctPrompt(27), 2);
        bench.add("waits", bench.distinctPrompt(4), 1);
        assertThat(bench.step()).isEqualTo("a 31 new, fits 27 new");
        assertThat(bench.free()).isEqualTo(5);
        assertThat(bench.step()).as("one block more would be below").isEqualTo("a 1, fits 1");
        assertThat(bench.step()).isEqualTo("waits 4 new");
        bench.add("alone", bench.distinctPrompt(79), 1);
        assertThat(bench.step()).as("nobody else runs").isEqualTo("alone 79 new");
    }

    @Test
    void aWholePromptMayTakeTheLastTokenOfTheBudget() {
        Bench bench = new Bench(
                16, 256, s -> s.budget(100).maxSequences(8).chunked(false).contextLength(100));
        bench.add("a", bench.distinctPrompt(60), 2);
        bench.add("b", bench.distinctPrompt(40), 2);
        assertThat(bench.step()).isEqualTo("a 60 new, b 40 new");
        Bench full = new Bench(
                16, 256, s -> s.budget(100).maxSequences(8).chunked(false).contextLength(100));
        full.add("a", full.distinctPrompt(60), 2);
        full.add("b", full.distinctPrompt(41), 2);
        assertThat(full.step()).isEqualTo("a 60 new");
    }

    @Test
    void theFirstAndTheLastTokenOfTheVocabularyAreTokens() {
        for (int token : new int[] {0, Bench.VOCABULARY - 1}) {
            Bench bench = new Bench(16, 64, s -> s);
            bench.answer = token;
            RecordingSink sink = bench.add("a", bench.distinctPrompt(4), 2);
            bench.runToEnd();
            assertThat(sink.tokens()).containsExactly(token, token);
        }
    }
}
