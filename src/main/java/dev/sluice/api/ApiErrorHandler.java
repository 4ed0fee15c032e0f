package dev.sluice.api;

import dev.sluice.runtime.Clock;
import dev.sluice.runtime.LineBudget;
import io.netty.handler.codec.DecoderException;
import java.time.Duration;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.InvalidMediaTypeException;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.util.InvalidMimeTypeException;
import org.springframework.web.server.MethodNotAllowedException;
import org.springframework.web.server.ResponseStatusException;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebExceptionHandler;
import org.springframework.web.util.DisconnectedClientHelper;
import reactor.core.publisher.Mono;

/**
 * Turns whatever escapes a handler, on any route, into the one shape of errors. Only faults of the server are logged, and
 * not too many of them. Nothing is handed on to the framework, which would log it once more.
 */
public final class ApiErrorHandler implements WebExceptionHandler, Ordered {

    private static final Logger LOG = LoggerFactory.getLogger(ApiErrorHandler.class);
    private static final int BEFORE_THE_FRAMEWORKS_OWN = -2;
    private static final int LINES_MAX = 5; // with stack traces: more of the same kind help nobody
    private static final Duration INTERVAL = Duration.ofSeconds(10);

    private final LineBudget budget;

    public ApiErrorHandler(Clock clock) {
        budget = new LineBudget(clock, LINES_MAX, INTERVAL);
    }

    @Override
    public int getOrder() {
        return BEFORE_THE_FRAMEWORKS_OWN;
    }

    @Override
    public Mono<Void> handle(ServerWebExchange exchange, Throwable failure) {
        if (DisconnectedClientHelper.isClientDisconnectedException(failure) || !CallLife.isConnected(exchange)) {
            return Mono.empty(); // nobody is there to be told, and nothing has gone wrong here
        }
        ServerHttpResponse response = exchange.getResponse();
        ApiError error = error(exchange, failure);
        if (response.isCommitted()) {
            return cut(exchange); // the client must not take what it has for a whole answer
        }
        if (failure instanceof MethodNotAllowedException wrongMethod) {
            String allowed = wrongMethod.getSupportedMethods().stream()
                    .map(HttpMethod::name)
                    .sorted()
                    .collect(Collectors.joining(", "));
            response.getHeaders().set(HttpHeaders.ALLOW, allowed);
        }
        // The server itself may have answered in the meantime, and the client may be gone.
        return Mono.defer(() -> ApiErrorWriter.write(response, error)).onErrorResume(e -> cut(exchange));
    }

    private static Mono<Void> cut(ServerWebExchange exchange) {
        return Mono.fromRunnable(() -> CallLife.closeConnection(exchange));
    }

    private ApiError error(ServerWebExchange exchange, Throwable failure) {
        return switch (failure) {
            case ApiException known -> known.error();
            case RejectedExecutionException full ->
                ApiError.tooMany("too many prompts are being read; try again later", Duration.ofSeconds(1));
            case MethodNotAllowedException wrongMethod ->
                ApiError.invalidRequest(405, "method_not_allowed", "this method is not allowed here; see Allow");
            case ResponseStatusException status ->
                byStatus(status.getStatusCode().value());
            case InvalidMediaTypeException unreadable -> unreadableType(exchange.getRequest());
            case InvalidMimeTypeException unreadable -> unreadableType(exchange.getRequest());
            case DecoderException undecodable ->
                ApiError.invalidRequest(400, "bad_request", "the body is not valid HTTP");
            default -> {
                log(exchange, failure);
                yield ApiError.internal();
            }
        };
    }

    /** Of the two headers with media types, the one that cannot be read is at fault. */
    private static ApiError unreadableType(ServerHttpRequest request) {
        try {
            MediaType ignored = request.getHeaders().getContentType();
            return ApiError.invalidRequest(406, "not_acceptable", "the Accept header cannot be read");
        } catch (InvalidMediaTypeException e) {
            return ApiError.invalidRequest(415, "unsupported_media_type", "the Content-Type cannot be read");
        }
    }

    private void log(ServerWebExchange exchange, Throwable failure) {
        long suppressed = budget.take();
        if (suppressed >= 0) {
            LOG.error(
                    "Request {} failed ({} such lines before were suppressed)",
                    exchange.getResponse().getHeaders().getFirst(RequestIdFilter.HEADER),
                    suppressed,
                    failure);
        }
    }

    private static ApiError byStatus(int status) {
        return switch (status) {
            case 404 -> ApiError.unknownUrl();
            case 406 -> ApiError.invalidRequest(406, "not_acceptable", "this answer cannot be given in that form");
            case 413 -> ApiError.invalidRequest(413, "request_too_large", "the body is too large");
            case 415 -> ApiError.invalidRequest(415, "unsupported_media_type", "the body must be JSON");
            default ->
                status < 500 ? ApiError.invalidRequest(status, "bad_request", "bad request") : ApiError.internal();
        };
    }
}
