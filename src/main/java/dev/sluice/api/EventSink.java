package dev.sluice.api;

import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.runtime.Clock;
import java.time.Duration;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Sinks;

/**
 * Takes events from the scheduler's thread and hands them to one subscriber. The writer never waits: events queue up, but no
 * more than there is room for; a reader that leaves too many unread for too long is reported as gone, as is one for whose
 * events there is no more room.
 */
final class EventSink implements TokenSink {

    private final Sinks.Many<TokenEvent> events =
            Sinks.unsafe().many().unicast().onBackpressureBuffer(new ConcurrentLinkedQueue<>());
    private final AtomicInteger unread = new AtomicInteger();
    private final Clock clock;
    private final long graceNanos;
    private final BooleanSupplier moreRoom;
    private final Runnable onGone;
    private int room = AnswerSize.UNREAD; // used by the scheduler's thread alone
    private volatile long lastReadNanos;

    /**
     * @param grace how long the reader may leave too many events unread
     * @param moreRoom asked whether as many again may be left unread meanwhile
     * @param onGone told when it has; does not wait, and may be told again
     */
    EventSink(Clock clock, Duration grace, BooleanSupplier moreRoom, Runnable onGone) {
        this.clock = clock;
        graceNanos = grace.toNanos();
        this.moreRoom = moreRoom;
        this.onGone = onGone;
        lastReadNanos = clock.monotonicNanos();
    }

    @Override
    public boolean offer(TokenEvent event) {
        int waiting = unread.incrementAndGet();
        events.tryEmitNext(event);
        if (event instanceof TokenEvent.Finished || event instanceof TokenEvent.Failed) {
            events.tryEmitComplete();
            return true;
        }
        if (waiting <= AnswerSize.UNREAD) {
            return true;
        }
        if (clock.monotonicNanos() - lastReadNanos < graceNanos && (waiting <= room || stretch())) {
            return true;
        }
        onGone.run();
        return false;
    }

    private boolean stretch() {
        boolean stretched = moreRoom.getAsBoolean();
        room += stretched ? AnswerSize.UNREAD : 0;
        return stretched;
    }

    /** The events, once; whoever handles one must call {@link #read}. */
    Flux<TokenEvent> events() {
        return events.asFlux();
    }

    /** One event has been turned into bytes that the client has asked for. */
    void read() {
        unread.decrementAndGet();
        lastReadNanos = clock.monotonicNanos();
    }
}
