package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.request.FailureKind;
import dev.sluice.request.TokenEvent;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a client is told for each kind of failure, and how it is framed. */
class ApiErrorTest {

    @ParameterizedTest
    @CsvSource({
        "INVALID_REQUEST, false, 400, invalid_request_error, invalid_value, false",
        "OVERLOADED, false, 429, rate_limit_error, queue_full, true",
        "DEADLINE, false, 408, timeout_error, request_timeout, false",
        "DEADLINE, true, 504, timeout_error, deadline_exceeded, false",
        "DRAINING, false, 503, service_unavailable, draining, true",
        "SLOW_READER, true, 408, timeout_error, slow_reader, false",
        "INTERNAL, true, 500, server_error, internal_error, false"
    })
    void eachKindOfFailureHasItsStatus(
            FailureKind kind, boolean started, int status, String type, String code, boolean again) {
        assertThat(Failures.of(new TokenEvent.Failed(kind, "no"), started))
                .isEqualTo(new ApiError(status, "no", type, null, code, again ? Duration.ofSeconds(1) : null));
    }

    @Test
    void errorsNameFieldAndRule() {
        assertThat(ApiError.invalidValue("n", "must be small"))
                .isEqualTo(new ApiError(400, "n must be small", "invalid_request_error", "n", "invalid_value", null));
        assertThat(ApiError.unsupported("tools", "no tools"))
                .isEqualTo(
                        new ApiError(400, "no tools", "invalid_request_error", "tools", "unsupported_parameter", null));
        assertThat(ApiError.unknownUrl().status()).isEqualTo(404);
        assertThat(ApiError.unknownUrl().code()).isEqualTo("unknown_url");
        assertThat(ApiError.internal())
                .isEqualTo(new ApiError(
                        500, "the server failed to answer this request", "server_error", null, "internal_error", null));
        assertThat(ApiError.modelNotFound("gpt"))
                .isEqualTo(new ApiError(
                        404,
                        "The model `gpt` does not exist",
                        "invalid_request_error",
                        "model",
                        "model_not_found",
                        null));
    }

    @Test
    void whatAClientSentComesBackShortAndHarmless() {
        assertThat(ApiError.shortened("a\nb\u0000c\ud800")).isEqualTo("a?b?c?");
        assertThat(ApiError.shortened("x".repeat(64))).isEqualTo("x".repeat(64));
        assertThat(ApiError.shortened("x".repeat(65))).isEqualTo("x".repeat(64) + "...");
    }

    @Test
    void eventsAreFramedByteByByte() {
        assertThat(new String(SseEncoder.data(Map.of("a", "ä")), StandardCharsets.UTF_8))
                .isEqualTo("data: {\"a\":\"ä\"}\n\n");
        assertThat(new String(SseEncoder.error(ApiError.invalidValue("n", "is bad")), StandardCharsets.UTF_8))
                .isEqualTo(
                        "event: error\ndata: {\"error\":{\"message\":\"n is bad\",\"type\":\"invalid_request_error\","
                                + "\"param\":\"n\",\"code\":\"invalid_value\"}}\n\n");
        assertThat(new String(SseEncoder.DONE, StandardCharsets.UTF_8)).isEqualTo("data: [DONE]\n\n");
        assertThat(new String(SseEncoder.KEEP_ALIVE, StandardCharsets.UTF_8)).isEqualTo(": keep-alive\n\n");
    }
}
