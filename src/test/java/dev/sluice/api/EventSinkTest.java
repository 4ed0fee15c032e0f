package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.FinishReason;
import dev.sluice.request.TokenEvent;
import dev.sluice.testkit.VirtualClock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Reliability row S1: a reader that stands still has a bounded buffer and a bounded time. */
class EventSinkTest {

    private static final TokenEvent TOKEN = new TokenEvent.Token(7, null);
    private static final TokenEvent END = new TokenEvent.Finished(FinishReason.LENGTH, -1);

    private final VirtualClock clock = new VirtualClock();
    private int gone;
    private final EventSink sink = new EventSink(clock, Duration.ofSeconds(30), () -> gone++);

    @Test
    void aReaderThatKeepsUpIsNeverGivenUp() {
        for (int i = 0; i < 10_000; i++) {
            clock.advanceNanos(Duration.ofSeconds(1).toNanos());
            assertThat(sink.offer(TOKEN)).isTrue();
            sink.read();
        }
        assertThat(gone).isZero();
    }

    @Test
    void oneThatStandsStillHasItsGraceOnceItsBufferIsFull() {
        for (int i = 0; i < 256; i++) {
            clock.advanceNanos(Duration.ofMinutes(1).toNanos());
            assertThat(sink.offer(TOKEN)).isTrue(); // however slow: the buffer is not full
        }
        sink.read();
        assertThat(sink.offer(TOKEN)).isTrue();
        assertThat(sink.offer(TOKEN)).isTrue(); // full, but it has just read
        clock.advanceNanos(Duration.ofSeconds(30).toNanos() - 1);
        assertThat(sink.offer(TOKEN)).isTrue();
        clock.advanceNanos(1);
        assertThat(gone).isZero();
        assertThat(sink.offer(TOKEN)).isFalse();
        assertThat(gone).isEqualTo(1);
    }

    @Test
    void theEndIsTakenFromWhoeverStandsStillAndClosesTheStream() {
        for (int i = 0; i < 300; i++) {
            sink.offer(TOKEN);
        }
        clock.advanceNanos(Duration.ofHours(1).toNanos());
        assertThat(sink.offer(END)).isTrue();
        List<TokenEvent> read = new ArrayList<>();
        sink.events().doOnNext(read::add).blockLast(Duration.ofSeconds(10));
        assertThat(read).hasSize(301);
        assertThat(read.getLast()).isEqualTo(END);
    }
}
