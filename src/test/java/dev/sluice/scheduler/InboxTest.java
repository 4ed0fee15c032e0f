package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.FailureKind;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.testkit.RecordingSink;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is left between two turns comes once, in its order, and nothing is lost. */
class InboxTest {

    private final Inbox inbox = new Inbox(2);
    private final List<String> taken = new ArrayList<>();

    private boolean submit(String id, RecordingSink sink) {
        return inbox.submit(
                new GenerationRequest(
                        id,
                        new int[] {1},
                        SamplingParams.greedy(1),
                        0,
                        null,
                        Integer.MAX_VALUE,
                        0,
                        GenerationRequest.NO_DEADLINE,
                        GenerationRequest.NO_DEADLINE),
                sink);
    }

    private int drain() {
        return inbox.drain(
                (request, sink) -> taken.add("submit " + request.id()), (id, reason) -> taken.add(reason + " " + id));
    }

    @Test
    void submissionsComeBeforeTheirCancellationsAndCommandsLast() {
        inbox.execute(() -> taken.add("command 1"));
        inbox.execute(() -> taken.add("command 2"));
        assertThat(submit("a", new RecordingSink())).isTrue();
        inbox.cancel("a", FinishReason.STOP);
        inbox.cancel("a", FinishReason.ABORT); // too late: the first reason counts
        assertThat(submit("b", new RecordingSink())).isTrue();
        assertThat(drain()).isEqualTo(5);
        assertThat(taken).containsExactly("submit a", "submit b", "STOP a", "command 1", "command 2");
        assertThat(drain()).isZero();
        inbox.execute(() -> taken.add("command 3"));
        assertThat(drain()).isEqualTo(1);
        assertThat(taken).as("nothing comes twice").hasSize(6).endsWith("command 3");
    }

    @Test
    void aCancellationAloneIsHandedOver() {
        inbox.cancel("a", FinishReason.ABORT);
        assertThat(inbox.isEmpty()).isFalse();
        assertThat(drain()).isEqualTo(1);
        assertThat(inbox.isEmpty()).isTrue();
    }

    @Test
    void whatDoesNotFitIsRefusedAndWhatWaitsCanBeAnsweredWithAFailure() {
        RecordingSink first = new RecordingSink();
        RecordingSink second = new RecordingSink();
        assertThat(submit("a", first)).isTrue();
        assertThat(submit("b", second)).isTrue();
        assertThat(submit("c", new RecordingSink())).isFalse();
        inbox.refuseAll(FailureKind.DRAINING, "closing");
        TokenEvent failed = new TokenEvent.Failed(FailureKind.DRAINING, "closing");
        assertThat(first.terminal()).isEqualTo(failed);
        assertThat(second.terminal()).isEqualTo(failed);
        assertThat(drain()).isZero();
    }
}
