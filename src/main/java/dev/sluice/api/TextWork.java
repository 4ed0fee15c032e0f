package dev.sluice.api;

import dev.sluice.runtime.FairPool;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.springframework.web.reactive.function.server.ServerRequest;
import reactor.core.Disposable;
import reactor.core.publisher.Mono;
import reactor.core.publisher.MonoSink;

/**
 * Does what bodies ask for before anybody is admitted: parsing, templates, tokenizing. Callers take turns, bodies that wait
 * have a bound, nobody waits for ever, and nothing is begun for a client that is gone.
 */
public final class TextWork {

    /** Why a body was not read. */
    public enum Refusal {
        QUEUE_FULL,
        MEMORY_FULL,
        TOO_LATE
    }

    private static final int SHORT_BYTES = 64 << 10; // some tens of milliseconds at worst
    private static final Duration SOON = Duration.ofSeconds(1);

    private final FairPool pool;
    private final TextLimits limits;
    private final BodyMemory memory;
    private final Map<Refusal, AtomicLong> refusals = new EnumMap<>(Refusal.class);

    /** @param pool threads that nothing else uses: neither network threads nor those that write answers */
    public TextWork(FairPool pool, TextLimits limits) {
        this.pool = pool;
        this.limits = limits;
        memory = new BodyMemory(limits.bodyBytes());
        for (Refusal refusal : Refusal.values()) {
            refusals.put(refusal, new AtomicLong());
        }
    }

    TextLimits limits() {
        return limits;
    }

    /** Calls whose bodies wait to be read. */
    public int queued() {
        return pool.queued();
    }

    /** Bytes of bodies that are arriving or waiting. */
    public long bodyBytes() {
        return memory.bytes();
    }

    /** Refusals so far. */
    public long refusals(Refusal refusal) {
        AtomicLong count = refusals.get(refusal);
        return count == null ? 0 : count.get();
    }

    /** Takes the body of a call and does the work on it; an error if there is no room, or no time. */
    <T> Mono<T> read(ServerRequest request, RequestLimits requestLimits, Duration timeout, Function<byte[], T> work) {
        return Mono.defer(() -> {
            CallLife life = CallLife.of(request.exchange());
            String caller = Caller.of(request.exchange());
            BodyMemory.Share share = memory.share(caller);
            life.holds(share::close);
            Duration time = timeout.compareTo(limits.time()) < 0 ? timeout : limits.time();
            return JsonBody.read(
                            request,
                            requestLimits,
                            share::take,
                            () -> refused(Refusal.MEMORY_FULL, "too many bytes are waiting to be read"))
                    .flatMap(body -> turn(caller, life, new AtomicReference<>(body), body.length, work)
                            .timeout(
                                    time, Mono.error(() -> refused(Refusal.TOO_LATE, "the call was not read in time"))))
                    .flatMap(outcome -> outcome)
                    .doFinally(signal -> share.close());
        });
    }

    /**
     * Waits for the turn and does the work. Its outcome is a value even if it fails, since an error that comes when nobody
     * listens any more would be logged.
     *
     * @param body forgotten once it is read, or no longer wanted
     */
    private <T> Mono<Mono<T>> turn(
            String caller,
            CallLife life,
            AtomicReference<byte @Nullable []> body,
            int length,
            Function<byte[], T> work) {
        return Mono.create(sink -> {
            Runnable task = () -> run(body.getAndSet(null), work, sink);
            if (!pool.submit(caller, length > SHORT_BYTES, task)) {
                sink.error(refused(Refusal.QUEUE_FULL, "too many prompts are being read"));
                return;
            }
            Disposable leave = () -> {
                if (pool.remove(caller, task)) {
                    body.set(null);
                }
            };
            sink.onDispose(leave);
            life.holds(leave);
        });
    }

    private static <T> void run(byte @Nullable [] body, Function<byte[], T> work, MonoSink<Mono<T>> sink) {
        if (body == null) {
            return;
        }
        Mono<T> outcome;
        try {
            outcome = Mono.just(work.apply(body));
        } catch (RuntimeException | StackOverflowError e) {
            outcome = Mono.error(e);
        }
        sink.success(outcome);
    }

    private ApiException refused(Refusal refusal, String why) {
        AtomicLong count = refusals.get(refusal);
        if (count != null) {
            count.incrementAndGet();
        }
        String message = why + "; try again later";
        return (refusal == Refusal.TOO_LATE
                        ? ApiError.unavailable("overloaded", message, SOON)
                        : ApiError.tooMany(message, SOON))
                .asException();
    }
}
