package dev.sluice.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testkit.VirtualClock;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class LineBudgetTest {

    private final VirtualClock clock = new VirtualClock();
    private final LineBudget budget = new LineBudget(clock, 2, Duration.ofSeconds(10));

    @Test
    void whatIsBeyondTheBudgetIsCountedAndToldWithTheNextLine() {
        assertThat(budget.take()).isZero();
        assertThat(budget.take()).isZero();
        for (int i = 0; i < 1000; i++) {
            assertThat(budget.take()).isEqualTo(-1);
        }
        clock.advanceNanos(Duration.ofSeconds(10).toNanos());
        assertThat(budget.take()).isEqualTo(1000);
        assertThat(budget.take()).isZero();
        assertThat(budget.take()).isEqualTo(-1);
    }

    @Test
    void whoSaysLittleIsNeverSuppressed() {
        for (int i = 0; i < 100; i++) {
            assertThat(budget.take()).isZero();
            clock.advanceNanos(Duration.ofSeconds(5).toNanos());
        }
    }
}
