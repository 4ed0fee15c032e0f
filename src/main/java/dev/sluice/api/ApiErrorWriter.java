package dev.sluice.api;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatusCode;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import reactor.core.publisher.Mono;

/** Writes an {@link ApiError} as a response: status, retry headers, and the nested error object. */
public final class ApiErrorWriter {

    private ApiErrorWriter() {}

    /** The JSON object that clients get. */
    public static byte[] body(ApiError error) {
        Map<String, @Nullable Object> members = new LinkedHashMap<>();
        members.put("message", error.message());
        members.put("type", error.type());
        members.put("param", error.param());
        members.put("code", error.code());
        return ApiJson.bytes(Map.of("error", members));
    }

    static Mono<Void> write(ServerHttpResponse response, ApiError error) {
        response.setStatusCode(HttpStatusCode.valueOf(error.status()));
        HttpHeaders headers = response.getHeaders();
        headers.setContentType(MediaType.APPLICATION_JSON);
        headers.setCacheControl("no-cache");
        Duration retryAfter = error.retryAfter();
        if (retryAfter != null) {
            headers.set(HttpHeaders.RETRY_AFTER, Long.toString(Math.max(1, retryAfter.toSeconds())));
            headers.set("Retry-After-Ms", Long.toString(Math.max(1, retryAfter.toMillis())));
        }
        if (error.status() == 401) {
            headers.set(HttpHeaders.WWW_AUTHENTICATE, "Bearer");
        }
        boolean bodyUnread = error.status() == 408; // its rest must not be taken for a request, should it still come
        if (bodyUnread || "draining".equals(error.code())) {
            headers.set(HttpHeaders.CONNECTION, "close");
        }
        byte[] body = body(error);
        headers.setContentLength(body.length);
        return response.writeWith(
                Mono.fromSupplier(() -> response.bufferFactory().wrap(body)));
    }
}
