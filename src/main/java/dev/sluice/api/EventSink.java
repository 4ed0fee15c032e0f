package dev.sluice.api;

import dev.sluice.request.TokenEvent;
import dev.sluice.request.TokenSink;
import dev.sluice.runtime.Clock;
import java.time.Duration;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Sinks;

/**
 * Takes events from the scheduler's thread and hands them to one subscriber. The writer never waits: events queue up, at
 * most as many as the request may have tokens; a reader that leaves too many unread for too long is reported as gone.
 */
final class EventSink implements TokenSink {

    private static final int UNREAD_MAX = 256;

    private final Sinks.Many<TokenEvent> events =
            Sinks.unsafe().many().unicast().onBackpressureBuffer(new ConcurrentLinkedQueue<>());
    private final AtomicInteger unread = new AtomicInteger();
    private final Clock clock;
    private final long graceNanos;
    private final Runnable onGone;
    private volatile long lastReadNanos;

    /**
     * @param grace how long the reader may leave too many events unread
     * @param onGone told when it has; does not wait, and may be told again
     */
    EventSink(Clock clock, Duration grace, Runnable onGone) {
        this.clock = clock;
        graceNanos = grace.toNanos();
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
        if (waiting <= UNREAD_MAX || clock.monotonicNanos() - lastReadNanos < graceNanos) {
            return true;
        }
        onGone.run();
        return false;
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
