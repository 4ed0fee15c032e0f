package dev.sluice.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** The breaker around one tier, with times so short that a test can see it come back by itself. */
class ResilientTierTest {

    private static final long NANOS = 1_000;

    private final CircuitBreakerRegistry breakers = CircuitBreakerRegistry.ofDefaults();
    // If the library is held up for so long while it opens, it forgets to try again.
    private final ResilientTier tier = tier(Duration.ofMillis(300));

    private ResilientTier tier(Duration open) {
        return new ResilientTier(breakers, "host", new SluiceProperties.Breaker(50, 4, open, 2), Duration.ofSeconds(3));
    }

    @Test
    void isUsedUntilHalfOfTheLastCopiesHaveFailed() {
        breakers.remove("kv-host");
        ResilientTier slow = tier(Duration.ofHours(1));
        slow.failed(NANOS);
        slow.succeeded(NANOS);
        slow.failed(NANOS);
        assertThat(slow.permits()).isTrue(); // too few to judge
        slow.succeeded(NANOS);
        assertThat(slow.permits()).isFalse();
        assertThat(breakers.circuitBreaker("kv-host").getState()).isEqualTo(State.OPEN);
    }

    @Test
    void isTriedAgainByItselfAndStaysInUseIfTheTriesSucceed() {
        open();
        awaitPermission();
        tier.succeeded(NANOS);
        tier.succeeded(NANOS);
        assertThat(tier.breaker().getState()).isEqualTo(State.CLOSED);
        assertThat(tier.permits()).isTrue();
    }

    @Test
    void isLeftAloneAgainIfTheTriesFail() {
        AtomicInteger openings = new AtomicInteger();
        tier.breaker().getEventPublisher().onStateTransition(event -> {
            if (event.getStateTransition().getToState() == State.OPEN) {
                openings.incrementAndGet();
            }
        });
        open();
        awaitPermission();
        tier.failed(NANOS);
        tier.failed(NANOS);
        assertThat(openings).hasValue(2);
    }

    @Test
    void askingUsesUpNothing() {
        open();
        awaitPermission();
        for (int i = 0; i < 1000; i++) {
            assertThat(tier.permits()).isTrue();
        }
        assertThat(tier.breaker().getState()).isEqualTo(State.HALF_OPEN);
    }

    private void open() {
        for (int i = 0; i < 4; i++) {
            tier.failed(NANOS);
        }
    }

    private void awaitPermission() {
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (!tier.permits()) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            Thread.onSpinWait();
        }
    }
}
