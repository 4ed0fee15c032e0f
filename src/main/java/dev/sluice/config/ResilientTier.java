package dev.sluice.config;

import dev.sluice.offload.TierGuard;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A circuit breaker and a time limit around one tier. An open breaker means that nothing is asked of the tier, so that
 * everything is computed; after a while some operations are let through, and decide.
 */
final class ResilientTier implements TierGuard {

    private static final Logger LOG = LoggerFactory.getLogger(ResilientTier.class);

    private final CircuitBreaker breaker;
    private final long timeLimitNanos;

    /** @param breakers where the breaker is kept, so that its state is measured as every other one's */
    ResilientTier(CircuitBreakerRegistry breakers, String name, SluiceProperties.Breaker settings, Duration timeLimit) {
        CircuitBreakerConfig config = CircuitBreakerConfig.custom()
                .failureRateThreshold(settings.failureRate())
                .slidingWindowSize(settings.window())
                .minimumNumberOfCalls(settings.window())
                .waitDurationInOpenState(settings.open())
                .permittedNumberOfCallsInHalfOpenState(settings.probes())
                .automaticTransitionFromOpenToHalfOpenEnabled(true)
                .build();
        breaker = breakers.circuitBreaker("kv-" + name, config);
        timeLimitNanos = timeLimit.toNanos();
        breaker.getEventPublisher()
                .onStateTransition(event -> LOG.warn(
                        "The {} tier of the KV cache is now {}; serving goes on",
                        name,
                        event.getStateTransition().getToState()));
    }

    /** For meters and health. */
    CircuitBreaker breaker() {
        return breaker;
    }

    /** Looks at the state only: a question that is asked in every step must not use up permissions. */
    @Override
    public boolean permits() {
        State state = breaker.getState();
        return state != State.OPEN && state != State.FORCED_OPEN;
    }

    @Override
    public void succeeded(long nanos) {
        breaker.onSuccess(nanos, TimeUnit.NANOSECONDS);
    }

    @Override
    public void failed(long nanos) {
        breaker.onError(nanos, TimeUnit.NANOSECONDS, new TierFailure());
    }

    @Override
    public long timeLimitNanos() {
        return timeLimitNanos;
    }

    /** A copy failed, was damaged, or took too long; the breaker wants an exception, nobody throws it. */
    private static final class TierFailure extends RuntimeException {
        private static final long serialVersionUID = 1;

        TierFailure() {
            super("a copy failed", null, false, false);
        }
    }
}
