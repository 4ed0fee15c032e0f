package dev.sluice.api;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * An error as the client sees it: a status and the four members of OpenAI's error object.
 *
 * @param param the field at fault, dotted and indexed as in {@code messages[2].content}, or null
 * @param code a machine-readable reason, or null; never a number, which strict clients refuse
 * @param retryAfter when another try makes sense, or null
 */
public record ApiError(
        int status,
        String message,
        String type,
        @Nullable String param,
        @Nullable String code,
        @Nullable Duration retryAfter) {

    private static final String INVALID = "invalid_request_error";
    private static final int ECHO_MAX = 64;

    /** 400 with a machine-readable code. */
    static ApiError invalid(@Nullable String param, @Nullable String code, String message) {
        return new ApiError(400, message, INVALID, param, code, null);
    }

    /** 400 for a field whose value breaks a rule. */
    static ApiError invalidValue(String param, String rule) {
        return invalid(param, "invalid_value", param + " " + rule);
    }

    static ApiError unsupported(String param, String message) {
        return invalid(param, "unsupported_parameter", message);
    }

    static ApiError of(int status, String type, @Nullable String code, String message) {
        return new ApiError(status, message, type, null, code, null);
    }

    /** Of a request that cannot be read at all. */
    public static ApiError invalidRequest(int status, String code, String message) {
        return of(status, INVALID, code, message);
    }

    static ApiError unknownUrl() {
        return invalidRequest(404, "unknown_url", "there is nothing at this path");
    }

    static ApiError internal() {
        return of(500, "server_error", "internal_error", "the server failed to answer this request");
    }

    /** 503: another try later may succeed. */
    public static ApiError unavailable(String code, String message, Duration retryAfter) {
        return new ApiError(503, message, "service_unavailable", null, code, retryAfter);
    }

    static ApiError tooMany(String message, Duration retryAfter) {
        return new ApiError(429, message, "rate_limit_error", null, "queue_full", retryAfter);
    }

    static ApiError modelNotFound(String name) {
        return new ApiError(
                404, "The model `" + shortened(name) + "` does not exist", INVALID, "model", "model_not_found", null);
    }

    /** What a client sent, cut and stripped of control characters before it is sent back. */
    static String shortened(String text) {
        String cut = text.length() <= ECHO_MAX ? text : text.substring(0, ECHO_MAX) + "...";
        return cut.replaceAll("[\\p{Cntrl}\\p{Cs}]", "?");
    }

    ApiException asException() {
        return new ApiException(this);
    }
}
