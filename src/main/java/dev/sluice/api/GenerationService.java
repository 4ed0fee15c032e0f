package dev.sluice.api;

import dev.sluice.admission.AdmissionControl;
import dev.sluice.admission.Decision;
import dev.sluice.admission.Decision.Permit;
import dev.sluice.api.wire.Usage;
import dev.sluice.request.FinishReason;
import dev.sluice.request.GenerationRequest;
import dev.sluice.request.SamplingParams;
import dev.sluice.request.TokenEvent;
import dev.sluice.runtime.Clock;
import dev.sluice.scheduler.ContinuousBatchingScheduler;
import dev.sluice.text.Tokenizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * Runs a validated call: asks for room, submits its sequences, and turns their events into an answer. Whatever ends the
 * answer (completion, failure, a client that is gone) cancels what still runs. The room is given back when the call's life
 * ends, since until then the answer lies in buffers.
 */
final class GenerationService {

    private final AdmissionControl admission;
    private final ContinuousBatchingScheduler scheduler;
    private final Tokenizer tokenizer;
    private final ServedModel model;
    private final RequestLimits limits;
    private final AnswerWorkers workers;
    private final Clock clock;
    private final LogprobsFormat scores;

    GenerationService(
            AdmissionControl admission,
            ContinuousBatchingScheduler scheduler,
            Tokenizer tokenizer,
            ServedModel model,
            RequestLimits limits,
            AnswerWorkers workers,
            Clock clock) {
        this.admission = admission;
        this.scheduler = scheduler;
        this.tokenizer = tokenizer;
        this.model = model;
        this.limits = limits;
        this.workers = workers;
        this.clock = clock;
        scores = new LogprobsFormat(tokenizer);
    }

    private record Indexed(int index, TokenEvent event, EventSink sink) {}

    /**
     * The parts of a streamed answer, in order; the first error ends it.
     *
     * @param onUsage hears the counts of an answer that has become complete
     */
    Flux<Object> stream(GenerationCall call, String id, Duration timeout, CallLife life, Consumer<Usage> onUsage) {
        return Flux.defer(() -> {
            Permit permit = admit(call, life);
            AnswerRoom room = room(call, permit);
            ResponseAssembler answer = answer(call, id, room, onUsage);
            return events(call, id, timeout, life, permit, room).concatMapIterable(indexed -> {
                indexed.sink().read();
                return answer.accept(indexed.index(), indexed.event());
            });
        });
    }

    /** A whole answer. */
    Mono<Object> whole(GenerationCall call, String id, Duration timeout, CallLife life, Consumer<Usage> onUsage) {
        return Mono.defer(() -> {
            Permit permit = admit(call, life);
            AnswerRoom room = room(call, permit);
            ResponseAssembler answer = answer(call, id, room, onUsage);
            return events(call, id, timeout, life, permit, room)
                    .doOnNext(indexed -> {
                        indexed.sink().read();
                        answer.accept(indexed.index(), indexed.event());
                    })
                    .then(Mono.fromSupplier(answer::whole));
        });
    }

    /** Counts the bytes of an answer that nothing had to be generated for, until it is sent; an error if there is no room. */
    byte[] held(byte[] answer, CallLife life) {
        if (answer.length > limits.answerBytes()) {
            throw AnswerRoom.tooLarge(limits.answerBytes(), "send less").asException();
        }
        Permit ignored = granted(admission.tryHold(answer.length), life);
        return answer;
    }

    private Permit admit(GenerationCall call, CallLife life) {
        long promptTokens = call.promptTokens() * call.choices();
        return granted(admission.tryAdmit(call.sequences(), promptTokens, call.answerBytes()), life);
    }

    private static Permit granted(Decision decision, CallLife life) {
        if (decision instanceof Decision.Rejected rejected) {
            throw refusal(rejected).asException();
        }
        Permit permit = (Permit) decision;
        life.holds(permit::close);
        return permit;
    }

    private AnswerRoom room(GenerationCall call, Permit permit) {
        return new AnswerRoom(permit, call.answerBytes(), limits.answerBytes());
    }

    private ResponseAssembler answer(GenerationCall call, String id, AnswerRoom room, Consumer<Usage> onUsage) {
        long created = clock.wallMillis() / 1000;
        ResponseShape format = call.chat()
                ? new ChatFormat(id, created, call, model.fingerprint(), scores)
                : new CompletionFormat(id, created, call, model.fingerprint(), scores);
        return new ResponseAssembler(
                call,
                format,
                tokenizer,
                index -> scheduler.cancel(sequenceId(id, index), FinishReason.STOP),
                room::grow,
                onUsage);
    }

    private static String sequenceId(String id, int index) {
        return id + "-" + index;
    }

    private Flux<Indexed> events(
            GenerationCall call, String id, Duration timeout, CallLife life, Permit permit, AnswerRoom room) {
        int sequences = call.sequences();
        long unread = AnswerSize.UNREAD * call.size().event();
        // Only a stream has a reader who may fall behind; a whole answer is counted as it grows.
        BooleanSupplier moreRoom = () -> !call.stream() || room.growUnread(unread);
        List<Flux<Indexed>> sources = new ArrayList<>();
        int submitted = 0;
        for (; submitted < sequences; submitted++) {
            EventSink sink = new EventSink(clock, limits.writeTimeout(), moreRoom, life::abandon);
            int index = submitted;
            if (!scheduler.submit(request(call, id, index, timeout), sink)) {
                break;
            }
            sources.add(sink.events().map(event -> new Indexed(index, event, sink)));
        }
        if (submitted < sequences) {
            cancelAll(id, submitted);
            return Flux.error(
                    ApiError.unavailable("engine_unavailable", "the engine takes no requests", Duration.ofSeconds(1))
                            .asException());
        }
        life.holds(() -> cancelAll(id, sequences)); // after they are submitted: an unknown id is not cancelled
        return Flux.merge(Flux.fromIterable(sources), sequences)
                .publishOn(workers.of(call))
                .doOnNext(indexed -> {
                    if (indexed.event() instanceof TokenEvent.Prefilled) {
                        permit.prefilled();
                    }
                })
                .doFinally(signal -> cancelAll(id, sequences));
    }

    private void cancelAll(String id, int count) {
        for (int i = 0; i < count; i++) {
            scheduler.cancel(sequenceId(id, i), FinishReason.ABORT);
        }
    }

    private GenerationRequest request(GenerationCall call, String id, int index, Duration timeout) {
        long now = clock.monotonicNanos();
        SamplingParams sampling = call.sampling();
        int choice = index % call.choices();
        return new GenerationRequest(
                sequenceId(id, index),
                call.prompts().get(index / call.choices()),
                sampling.toBuilder().seed(sampling.seed() + choice).build(),
                call.priority(),
                call.cacheSalt(),
                call.maxOffloadTokens(),
                now,
                GenerationRequest.deadline(now, limits.queueTimeout()),
                GenerationRequest.deadline(now, timeout));
    }

    private static ApiError refusal(Decision.Rejected rejected) {
        return switch (rejected.reason()) {
            case QUEUE_FULL ->
                ApiError.tooMany("too many requests are waiting; try again later", rejected.retryAfter());
            case TOO_MANY_TOKENS ->
                ApiError.tooMany("too many prompt tokens are waiting; try again later", rejected.retryAfter());
            case ANSWERS_TOO_LARGE ->
                ApiError.tooMany(
                        "the answers in progress take all the memory that there is for them; try again later",
                        rejected.retryAfter());
            case DRAINING -> ApiError.unavailable("draining", "the server is shutting down", rejected.retryAfter());
        };
    }
}
