package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.PrefillRecord;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.testkit.RecordingSink;
import org.junit.jupiter.api.Test;

/** Requests whose input comes in chunks. */
class StreamingSessionsTest {

    private final Bench bench = new Bench(4, 20, s -> s);

    private GenerationRequest chunk(String id, int maxTokens, int... tokens) {
        long now = bench.clock.monotonicNanos();
        SamplingParams sampling = SamplingParams.greedy(maxTokens);
        return new GenerationRequest(
                id, tokens, sampling, 0, null, Integer.MAX_VALUE, now, Long.MAX_VALUE, Long.MAX_VALUE, true);
    }

    private RecordingSink open(int maxTokens, int... tokens) {
        return bench.add("s", chunk("s", maxTokens, tokens));
    }

    @Test
    void aChunkContinuesTheSequenceWithoutTheTokenThatWasNeverComputed() { // S45
        RecordingSink sink = open(2, 1, 2, 3);
        assertThat(bench.step()).isEqualTo("s 3 new");
        assertThat(bench.step()).isEqualTo("s 1");
        assertThat(sink.pauses()).isEqualTo(1);
        assertThat(bench.snapshot().waitingDeferred()).isEqualTo(1);
        assertThat(bench.free()).isEqualTo(18);
        assertThat(bench.step()).isEmpty();

        bench.loop.extend(chunk("s", 1, 4, 5));
        assertThat(bench.step()).isEqualTo("s 2 new");
        assertThat(bench.tokensOf("s")).startsWith(1, 2, 3, Bench.TOKEN, 4, 5);
        assertThat(sink.tokens()).hasSize(3);
        assertThat(sink.pauses()).isEqualTo(2);
        assertThat(bench.ledger.records).containsExactly(new PrefillRecord(3, 0, 0));
        assertThat(bench.ledger.ends).isEmpty();
    }

    @Test
    void aParkedSessionThatIsClosedEndsOnceAndGivesItsBlocksBack() { // S46
        RecordingSink sink = open(1, 1, 2, 3);
        bench.step();
        bench.loop.closeSession("s");
        bench.step();
        assertThat(sink.terminal()).isEqualTo(new TokenEvent.Finished(FinishReason.ABORT, -1));
        assertThat(bench.ledger.ends).containsExactly(FinishReason.ABORT);
        assertThat(bench.free()).isEqualTo(19);
        assertThat(bench.loop.hasRequests()).isFalse();
    }

    @Test
    void chunksThatComeWhileTheSessionAnswersAreTakenUpInTheirOrder() {
        RecordingSink sink = open(2, 1, 2, 3);
        bench.loop.extend(chunk("s", 1, 4));
        bench.loop.extend(chunk("s", 1, 5, 6));
        bench.loop.closeSession("s");
        assertThat(bench.runToEnd()).containsExactly("s 3 new", "s 1", "s 1 new", "s 2 new");
        assertThat(bench.tokensOf("s")).startsWith(1, 2, 3, Bench.TOKEN, 4, 5, 6);
        assertThat(sink.terminal()).isEqualTo(new TokenEvent.Finished(FinishReason.LENGTH, -1));
        assertThat(sink.tokens()).hasSize(4);
        assertThat(sink.pauses()).isEqualTo(2);
        assertThat(bench.free()).isEqualTo(19);
    }

    @Test
    void aSessionThatWasPreemptedKeepsItsWholeHistory() {
        Bench small = new Bench(2, 7, s -> s.gate(false).contextLength(13));
        RecordingSink other = small.add("a", small.distinctPrompt(5), 5);
        RecordingSink sink = small.add("s", chunk("s", 3, 1, 2, 3, 4, 5));
        small.loop.extend(chunk("s", 1, 6));
        small.loop.closeSession("s");
        small.runToEnd();
        assertThat(small.ledger.preemptions).isPositive();
        assertThat(other.tokens()).hasSize(5);
        assertThat(sink.tokens()).hasSize(4);
        assertThat(small.tokensOf("s")).startsWith(1, 2, 3, 4, 5, Bench.TOKEN, Bench.TOKEN, 6);
        assertThat(small.ledger.records).hasSize(2);
        assertThat(small.free()).isEqualTo(6);
    }

    @Test
    void aChunkThatIsTooLongEndsTheSessionWithTheLimitsName() {
        RecordingSink sink = open(1, 1, 2, 3);
        bench.step();
        bench.loop.extend(chunk("s", 1, new int[100]));
        bench.step();
        assertThat(sink.terminal()).isInstanceOfSatisfying(TokenEvent.Failed.class, failed -> {
            assertThat(failed.kind()).isEqualTo(FailureKind.INVALID_REQUEST);
            assertThat(failed.message()).contains("104 tokens", "context of 76");
        });
        assertThat(bench.free()).isEqualTo(19);
    }

    @Test
    void aCancelledSessionEndsAtOnceWhateverIsQueued() {
        RecordingSink sink = open(5, 1, 2, 3);
        bench.loop.extend(chunk("s", 1, 4));
        bench.step();
        bench.cancel("s");
        bench.step();
        assertThat(sink.isEnded()).isTrue();
        assertThat(bench.free()).isEqualTo(19);
        bench.loop.extend(chunk("s", 1, 4));
        bench.loop.closeSession("s");
        assertThat(bench.step()).isEmpty();
    }
}
