package dev.sluice.api;

import java.time.Duration;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.core.Ordered;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.web.server.MethodNotAllowedException;
import org.springframework.web.server.ResponseStatusException;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebExceptionHandler;
import org.springframework.web.util.DisconnectedClientHelper;
import reactor.core.publisher.Mono;

/** Turns whatever escapes a handler, on any route, into the one shape of errors. */
public final class ApiErrorHandler implements WebExceptionHandler, Ordered {

    private static final Logger LOG = LoggerFactory.getLogger(ApiErrorHandler.class);
    private static final int BEFORE_THE_FRAMEWORKS_OWN = -2;

    @Override
    public int getOrder() {
        return BEFORE_THE_FRAMEWORKS_OWN;
    }

    @Override
    public Mono<Void> handle(ServerWebExchange exchange, Throwable failure) {
        ServerHttpResponse response = exchange.getResponse();
        if (DisconnectedClientHelper.isClientDisconnectedException(failure)) {
            return Mono.empty(); // nobody is there to be told, and nothing has gone wrong here
        }
        if (response.isCommitted()) {
            return Mono.error(failure);
        }
        if (failure instanceof MethodNotAllowedException wrongMethod) {
            String allowed = wrongMethod.getSupportedMethods().stream()
                    .map(HttpMethod::name)
                    .sorted()
                    .collect(Collectors.joining(", "));
            response.getHeaders().set(HttpHeaders.ALLOW, allowed);
        }
        return ApiErrorWriter.write(response, error(exchange, failure));
    }

    private static ApiError error(ServerWebExchange exchange, Throwable failure) {
        return switch (failure) {
            case ApiException known -> known.error();
            case RejectedExecutionException full ->
                ApiError.tooMany("too many prompts are being read; try again later", Duration.ofSeconds(1));
            case MethodNotAllowedException wrongMethod ->
                ApiError.invalidRequest(405, "method_not_allowed", "this method is not allowed here; see Allow");
            case ResponseStatusException status ->
                byStatus(status.getStatusCode().value());
            default -> {
                LOG.error(
                        "Request {} failed",
                        exchange.getResponse().getHeaders().getFirst(RequestIdFilter.HEADER),
                        failure);
                yield ApiError.internal();
            }
        };
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
