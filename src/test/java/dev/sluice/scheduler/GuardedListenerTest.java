package dev.sluice.scheduler;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.sluice.request.PrefillRecord;
import dev.sluice.testkit.VirtualClock;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Whatever the ledger throws, the loop does not see it, and the log is not flooded. */
class GuardedListenerTest {

    private final VirtualClock clock = new VirtualClock();
    private final ListAppender<ILoggingEvent> log = new ListAppender<>();
    private final Logger logger = (Logger) LoggerFactory.getLogger(GuardedListener.class);
    private final @Nullable Level levelBefore = logger.getLevel();
    private final List<String> called = new ArrayList<>();
    private final GuardedListener guarded = new GuardedListener(
            (LifecycleListener) Proxy.newProxyInstance(
                    LifecycleListener.class.getClassLoader(),
                    new Class<?>[] {LifecycleListener.class},
                    (proxy, method, arguments) -> {
                        called.add(method.getName());
                        throw new IllegalArgumentException("a counter went backwards");
                    }),
            clock);

    @BeforeEach
    void listen() {
        log.start();
        logger.setLevel(Level.ERROR);
        logger.setAdditive(false);
        logger.addAppender(log);
    }

    @AfterEach
    void stopListening() {
        logger.detachAppender(log);
        logger.setAdditive(true);
        logger.setLevel(levelBefore);
    }

    @Test
    void everyCallIsPassedOnAndNoneThrows() throws Exception {
        Method[] methods = LifecycleListener.class.getDeclaredMethods();
        for (Method method : methods) {
            method.invoke(
                    guarded,
                    Stream.of(method.getParameterTypes())
                            .map(GuardedListenerTest::argument)
                            .toArray());
        }
        assertThat(called)
                .containsExactlyElementsOf(
                        Stream.of(methods).map(Method::getName).toList());
        assertThat(guarded.failures()).isEqualTo(methods.length);
    }

    private static Object argument(Class<?> type) {
        if (type == RequestTimeline.class) {
            return Timelines.finished(new PrefillRecord(5, 0, 0), 1);
        }
        if (type == PrefillRecord.class) {
            return new PrefillRecord(5, 0, 0);
        }
        if (type.isEnum()) {
            return type.getEnumConstants()[0];
        }
        return type == boolean.class ? (Object) true : type == long.class ? (Object) 1L : (Object) 1;
    }

    @Test
    void theLogHearsOfItOnceAMinute() {
        for (int second = 0; second < 180; second++) {
            for (int i = 0; i < 100; i++) {
                guarded.onStep(1, 1, 1, 1);
            }
            clock.advanceNanos(Duration.ofSeconds(1).toNanos());
        }
        assertThat(log.list).hasSize(3);
        assertThat(log.list.getLast().getFormattedMessage()).contains("12001 times");
        assertThat(guarded.failures()).isEqualTo(18_000);
    }
}
