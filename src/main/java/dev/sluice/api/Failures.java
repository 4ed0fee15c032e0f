package dev.sluice.api;

import dev.sluice.request.TokenEvent;
import java.time.Duration;

/** What a client is told when a sequence failed inside. */
final class Failures {

    private static final Duration SOON = Duration.ofSeconds(1);

    private Failures() {}

    /** @param started true if tokens had come before */
    static ApiError of(TokenEvent.Failed failed, boolean started) {
        return switch (failed.kind()) {
            case INVALID_REQUEST -> ApiError.invalid(null, "invalid_value", failed.message());
            case OVERLOADED -> ApiError.tooMany(failed.message(), SOON);
            case DEADLINE ->
                started
                        ? ApiError.of(504, "timeout_error", "deadline_exceeded", failed.message())
                        : ApiError.of(408, "timeout_error", "request_timeout", failed.message());
            case DRAINING -> ApiError.unavailable("draining", failed.message(), SOON);
            case SLOW_READER -> ApiError.of(408, "timeout_error", "slow_reader", failed.message());
            case INTERNAL -> ApiError.of(500, "server_error", "internal_error", failed.message());
        };
    }
}
