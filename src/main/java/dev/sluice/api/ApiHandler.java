package dev.sluice.api;

import dev.sluice.api.wire.Usage;
import dev.sluice.engine.Engine;
import dev.sluice.engine.EngineStatus;
import dev.sluice.runtime.Clock;
import dev.sluice.text.PromptEncoder;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.springframework.core.io.buffer.DataBuffer;
import org.springframework.http.MediaType;
import org.springframework.web.reactive.function.BodyInserters;
import org.springframework.web.reactive.function.server.ServerRequest;
import org.springframework.web.reactive.function.server.ServerResponse;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * The handlers that generate text and count tokens. They exist before the model does: until {@link #open} everything is
 * answered with 503.
 */
public final class ApiHandler {

    private static final MediaType EVENT_STREAM = MediaType.parseMediaType("text/event-stream;charset=utf-8");
    private static final String TIMEOUT_HEADER = "X-Request-Timeout-Ms";

    private static final int FRAMES = 4; // made before they are asked for: what nobody reads should stay small

    private record Ready(
            RequestParser parser, GenerationService service, TokenizerCalls tokenizer, ServedModel model) {}

    private final RequestLimits limits;
    private final EngineStatus status;
    private final TextWork textWork;
    private final AnswerWorkers answerWorkers;
    private final LongSupplier seeds;
    private final Clock clock;
    private final AtomicReference<@Nullable Ready> open = new AtomicReference<>();

    /** @param textWork reads bodies: templates and tokenizing never run on network threads */
    public ApiHandler(
            RequestLimits limits,
            EngineStatus status,
            TextWork textWork,
            AnswerWorkers answerWorkers,
            LongSupplier seeds,
            Clock clock) {
        this.limits = limits;
        this.status = status;
        this.textWork = textWork;
        this.answerWorkers = answerWorkers;
        this.seeds = seeds;
        this.clock = clock;
    }

    /** From now on calls reach the engine. */
    public void open(Engine engine) {
        ServedModel model = ServedModel.of(engine, clock.wallMillis() / 1000);
        PromptEncoder encoder = engine.encoder();
        TextLimits textLimits = textWork.limits().forContext(model.contextLength());
        PromptParser prompts = new PromptParser(model, encoder, limits, textLimits);
        RequestParser parser = new RequestParser(model, prompts, limits, seeds);
        GenerationService service = new GenerationService(
                engine.admission(), engine.scheduler(), encoder.tokenizer(), model, limits, answerWorkers, clock);
        open.set(new Ready(parser, service, new TokenizerCalls(model, encoder, prompts, textLimits), model));
    }

    /** True once calls reach the engine. */
    public boolean isOpen() {
        return open.get() != null;
    }

    /** The served model, or null while it is loading. */
    @Nullable
    ServedModel model() {
        Ready current = open.get();
        return current == null ? null : current.model();
    }

    Mono<ServerResponse> chat(ServerRequest request) {
        return generate(request, "chatcmpl-", RequestParser::chat);
    }

    Mono<ServerResponse> completion(ServerRequest request) {
        return generate(request, "cmpl-", RequestParser::completion);
    }

    Mono<ServerResponse> tokenize(ServerRequest request) {
        return answer(request, (ready, body) -> ready.tokenizer().tokenize(body));
    }

    Mono<ServerResponse> detokenize(ServerRequest request) {
        return answer(request, (ready, body) -> ready.tokenizer().detokenize(body));
    }

    private Mono<ServerResponse> answer(ServerRequest request, BiFunction<Ready, byte[], Object> work) {
        return opened().flatMap(ready -> {
            Duration timeout = timeout(request);
            CallLife life = CallLife.of(request.exchange());
            return textWork.read(request, limits, timeout, body -> work.apply(ready, body))
                    .map(answer -> ready.service().held(ApiJson.bytes(answer), life))
                    .doOnNext(answer -> life.mustEndWithin(timeout.plus(limits.writeTimeout())))
                    .flatMap(ApiHandler::json);
        });
    }

    private Mono<ServerResponse> generate(
            ServerRequest request, String prefix, BiFunction<RequestParser, byte[], GenerationCall> read) {
        return opened().flatMap(ready -> textWork.read(
                        request, limits, timeout(request), body -> read.apply(ready.parser(), body))
                .flatMap(call -> {
                    String id = prefix + UUID.randomUUID().toString().replace("-", "");
                    Duration timeout = timeout(request);
                    CallLife life = CallLife.of(request.exchange());
                    life.mustEndWithin(timeout.plus(limits.writeTimeout()));
                    Consumer<Usage> onUsage =
                            usage -> TokenAttributes.write(request.exchange().getAttributes(), usage);
                    return call.stream()
                            ? streamed(ready.service().stream(call, id, timeout, life, onUsage), request, life)
                            : ready.service()
                                    .whole(call, id, timeout, life, onUsage)
                                    .map(ApiJson::bytes)
                                    .flatMap(ApiHandler::json);
                }));
    }

    private Mono<Ready> opened() {
        return Mono.defer(() -> {
            Ready ready = open.get();
            return ready != null
                    ? Mono.just(ready)
                    : Mono.error(StatusRoutes.notReady(status.stage()).asException());
        });
    }

    private Duration timeout(ServerRequest request) {
        String header = request.headers().firstHeader(TIMEOUT_HEADER);
        if (header == null) {
            return limits.requestTimeout();
        }
        if (!header.matches("\\d{1,10}") || Long.parseLong(header) < 1) {
            throw ApiError.invalidValue(TIMEOUT_HEADER, "must be a number of milliseconds")
                    .asException();
        }
        Duration asked = Duration.ofMillis(Long.parseLong(header));
        return asked.compareTo(limits.requestTimeout()) < 0 ? asked : limits.requestTimeout();
    }

    private static Mono<ServerResponse> json(byte[] body) {
        return ServerResponse.ok()
                .contentType(MediaType.APPLICATION_JSON)
                .header("Cache-Control", "no-cache")
                .bodyValue(body);
    }

    /** An error before the first byte still has a status of its own; after it, it is the stream's last event. */
    private Mono<ServerResponse> streamed(Flux<Object> parts, ServerRequest request, CallLife life) {
        Flux<byte[]> frames = withHeartbeat(
                parts.map(SseEncoder::data).concatWith(Mono.just(SseEncoder.DONE)), limits.heartbeatAfter());
        Flux<byte[]> body = frames.switchOnFirst((first, all) -> first.hasValue()
                ? all.onErrorResume(e -> Mono.just(
                        SseEncoder.error(e instanceof ApiException known ? known.error() : ApiError.internal())))
                : all);
        Flux<DataBuffer> buffers = body.map(frame ->
                        request.exchange().getResponse().bufferFactory().wrap(frame))
                .takeUntilOther(life.whenOver());
        return ServerResponse.ok()
                .contentType(EVENT_STREAM)
                .header("Cache-Control", "no-cache")
                .header("X-Accel-Buffering", "no")
                .body((response, context) -> response.writeAndFlushWith(buffers.map(Mono::just)));
    }

    /** Comments while nothing else comes, so that proxies do not take the silence for death. */
    private static Flux<byte[]> withHeartbeat(Flux<byte[]> frames, Duration after) {
        if (after.isZero()) {
            return frames;
        }
        return frames.publish(
                shared -> Flux.merge(
                        FRAMES,
                        shared,
                        Flux.interval(after)
                                .onBackpressureDrop()
                                .map(tick -> SseEncoder.KEEP_ALIVE)
                                .takeUntilOther(shared.onErrorComplete())),
                FRAMES);
    }

    /** Bytes of a known type, as a body. */
    static Mono<ServerResponse> text(int status, MediaType type, String body) {
        return ServerResponse.status(status).contentType(type).body(BodyInserters.fromValue(body));
    }
}
