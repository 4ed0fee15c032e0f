package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.embedded.EmbeddedChannel;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** However a call ends, what it holds is given back once. */
class CallLifeTest {

    private final EmbeddedChannel connection = new EmbeddedChannel();
    private final CallLife life = new CallLife(connection);
    private final AtomicInteger givenBack = new AtomicInteger();

    @Test
    void aConnectionThatClosesEndsIt() {
        life.holds(givenBack::incrementAndGet);
        connection.close();
        assertThat(givenBack).hasValue(1);
        life.end();
        assertThat(givenBack).hasValue(1);
        assertThat(life.whenOver().blockOptional(Duration.ofSeconds(1))).isEmpty();
    }

    @Test
    void anEndLeavesTheConnectionToTheNextCall() {
        life.holds(givenBack::incrementAndGet);
        life.end();
        assertThat(givenBack).as("what was written may not be sent yet").hasValue(0);
        connection.runPendingTasks();
        assertThat(givenBack).hasValue(1);
        assertThat(connection.isOpen()).isTrue();
        connection.close();
        assertThat(givenBack).hasValue(1);
    }

    @Test
    void whatIsTakenAfterTheEndIsGivenBackAtOnce() {
        connection.close();
        CallLife late = new CallLife(connection); // its connection was lost before it began
        late.holds(givenBack::incrementAndGet);
        connection.runPendingTasks();
        assertThat(givenBack).hasValue(1);
        late.holds(givenBack::incrementAndGet);
        assertThat(givenBack).hasValue(2);
    }

    @Test
    void aFailureToGiveOneThingBackKeepsNoOther() {
        life.holds(() -> {
            throw new IllegalStateException("broken");
        });
        life.holds(givenBack::incrementAndGet);
        connection.close();
        assertThat(givenBack).hasValue(1);
    }

    @Test
    void aCallThatIsAbandonedLosesItsConnection() {
        life.holds(givenBack::incrementAndGet);
        life.abandon();
        assertThat(givenBack).hasValue(1);
        assertThat(connection.isOpen()).isFalse();
    }

    @Test
    void oneThatLastsTooLongIsAbandoned() {
        connection.freezeTime();
        life.holds(givenBack::incrementAndGet);
        life.mustEndWithin(Duration.ofMinutes(15));
        connection.advanceTimeBy(14, TimeUnit.MINUTES);
        connection.runScheduledPendingTasks();
        assertThat(connection.isOpen()).isTrue();
        connection.advanceTimeBy(1, TimeUnit.MINUTES);
        connection.runScheduledPendingTasks();
        assertThat(connection.isOpen()).isFalse();
        assertThat(givenBack).hasValue(1);
    }

    @Test
    void oneThatHasEndedIsNotAbandonedLater() {
        connection.freezeTime();
        life.mustEndWithin(Duration.ofMinutes(15));
        life.end();
        connection.runPendingTasks();
        connection.advanceTimeBy(1, TimeUnit.HOURS);
        connection.runScheduledPendingTasks();
        assertThat(connection.isOpen()).isTrue();
    }
}
